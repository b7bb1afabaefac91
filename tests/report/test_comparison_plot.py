"""The plot of a comparison: eight marks a panel at most, a name beside each, no name over another."""

import matplotlib.transforms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from multipl_moe.report.colours import BETTER, BLUE, PAPER
from multipl_moe.report.comparison_plots import comparison_plot, comparison_rest_plot
from tests.report.compared import a_run, with_runs


def _marks(axes: Axes) -> dict[str, tuple[float, float]]:
    """Points by label, as x and y."""
    return {str(line.get_label()): line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"}  # pyright: ignore


def _plot(result) -> Figure:
    figure = comparison_plot(result)
    assert figure is not None
    return figure


def _rest(result) -> Figure:
    figure = comparison_rest_plot(result)
    assert figure is not None
    return figure


def test_each_method_has_a_mark_where_its_means_are_and_its_name_beside_it(result):
    (axes,) = _plot(result).axes
    marks = _marks(axes)
    assert marks["hybrid"] == pytest.approx((-3, -12))
    assert marks["dense, all weights"] == pytest.approx((2, -11))
    assert {text.get_text() for text in axes.texts} == set(marks)
    hybrid, dense = (line for line in axes.lines if line.get_marker() == "o")
    assert (hybrid.get_color(), dense.get_color()) == (BETTER, BLUE), "by family"
    assert (hybrid.get_markerfacecolor(), dense.get_markerfacecolor()) == (BETTER, PAPER), "full: the best"
    assert axes.get_xlim()[0] < axes.get_xlim()[1], "left is better, as in the report of a run"
    assert axes.get_ylim()[0] < axes.get_ylim()[1]
    assert axes.get_title(loc="left") == "250,000 tokens"


def test_what_has_no_room_is_in_the_second_plot_with_its_rate(result):
    (axes,) = _rest(result).axes
    marks = _marks(axes)
    assert marks["dense, all weights, 0.0003"] == pytest.approx((0, -8))
    assert marks["dense, all weights, 0.001"] == pytest.approx((1, -10))
    assert axes.get_title(loc="left") == "125,000 tokens"
    long = {name: run for name, run in result.runs.items() if run.is_long}
    assert comparison_rest_plot(with_runs(long)) is None


def test_without_a_run_of_both_kinds_of_language_there_is_no_plot(result):
    assert comparison_plot(with_runs({})) is None
    for run in result.runs.values():
        del run.means["keep"]
    assert comparison_plot(result) is None


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.floats(-0.3, 0.1),
            st.floats(-0.1, 0.5),
            st.integers(1, 9).map(lambda words: " ".join(["feed-forward"] * words)),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([3.7, 8.0]),
)
def test_no_panel_has_more_than_eight_marks_and_no_name_lies_over_another(ways, width):
    methods = {str(number): f"{number} {words}" for number, (_, _, words) in enumerate(ways)}
    runs = {str(number): a_run(str(number), learn, keep) for number, (learn, keep, _) in enumerate(ways)}
    result = with_runs(runs, methods=methods)
    figures = [comparison_plot(result, width), comparison_rest_plot(result, width)]
    shown = []
    for figure in figures:
        for axes in figure.axes if figure else []:
            shown += _marks(axes)
            assert len(axes.texts) <= 8
            boxes = [_box(axes, place) for place in range(len(axes.texts))]
            for place, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[:place])
                assert not box.overlaps(axes.get_window_extent())
    assert sorted(shown) == sorted(methods.values())


def _box(axes: Axes, place: int) -> matplotlib.transforms.Bbox:
    """Where the letters of a label are, without its line."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    text = axes.texts[place]
    text.update_positions(renderer := FigureCanvasAgg(figure).get_renderer())  # pyright: ignore
    return matplotlib.text.Text.get_window_extent(text, renderer)  # pyright: ignore
