"""Figures show what they should; of a comparison no name lies over another, and no panel has more than eight marks."""

import matplotlib.transforms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from multipl_moe.report.colours import BETTER, BLUE, PALE, PAPER, UNSURE
from multipl_moe.report.comparison_plots import comparison_plot, comparison_rest_plot
from multipl_moe.report.plots import expert_heat_map, gain_plot, training_plot, verdict_plot
from tests.eval.judged import cell_of
from tests.eval.measured import SUMMARY, only
from tests.report.compared import a_run, with_runs
from tests.report.judged import judged

TITLES = {"rust": "Rust", "cpp": "C++", "python": "Python", "english": "English text"}


def test_gain_has_a_bar_of_the_right_length_for_each_language_those_to_learn_above(metrics):
    learn, keep = gain_plot(metrics).axes
    assert [axes.get_title(loc="left") for axes in (learn, keep)] == ["languages to learn", "languages to keep"]
    assert _bars(learn) == pytest.approx({"Rust": -20, "C++": -10})
    assert _bars(keep) == pytest.approx({"Python": 1, "English text": 50})
    assert all(axes.get_ylim()[0] > axes.get_ylim()[1] for axes in (learn, keep))  # top to bottom
    dotted = [line for axes in (learn, keep) for line in axes.lines if line.get_linestyle() == ":"]
    means = [100 * metrics.means[role].change for role in ("learn", "keep")]
    assert [np.asarray(line.get_xdata())[0] for line in dotted] == pytest.approx(means)
    two = {name: metrics.languages[name] for name in ("rust", "cpp")}
    assert len(gain_plot(metrics.but(languages=two)).axes) == 1


def _bars(axes: Axes) -> dict[str, float]:
    widths = [bar.get_width() for bar in axes.patches]  # pyright: ignore[reportAttributeAccessIssue]
    return dict(zip([label.get_text() for label in axes.get_yticklabels()], widths, strict=True))


def test_gain_draws_each_interval_cut_with_arrows_where_it_would_flatten_the_bars(metrics):
    metrics.languages["rust"] = metrics.languages["rust"].but(interval=(-0.25, -0.12))
    learn, keep = gain_plot(metrics).axes
    lines = [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in (*learn.lines, *keep.lines)]
    spans = [x.tolist() for x, y in lines if y[0] == y[1]]
    assert len(spans) == 4
    assert any(span == pytest.approx([-25, -12]) for span in spans)
    low, high = keep.get_xlim()
    assert (low < -25, high > 50) == (True, True)
    for name, files in (("rust", 2), ("cpp", 1)):
        metrics.languages[name] = metrics.languages[name].but(interval=(-1.2, 1.3), files=files)
    learn, keep = gain_plot(metrics).axes
    assert [line.get_marker() for line in learn.lines if np.size(line.get_xdata()) == 1] == ["<", ">"]
    most = 2 * 50  # twice the largest change
    assert keep.get_xlim() == pytest.approx((-1.08 * most, 1.08 * most))


def test_training_shows_the_losses_and_a_band_for_each_kind_of_expert(records):
    held_out = [{"step": step, "tokens": 1000 * step, "loss": 4.0} for step in (10, 15)]
    top, bottom = training_plot(records, held_out).axes
    line, points = top.lines
    assert np.asarray(points.get_xdata()).tolist() == [10, 15]
    assert _legend(top) == ["training text", "held-out text"]
    assert np.asarray(line.get_xdata()).tolist() == [5, 10, 15]
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([2.5, 2.0, 1.5])
    assert _legend(bottom) == ["segment experts, least to most", "token experts, least to most"]
    heights = [np.asarray(band.get_paths()[0].vertices)[:, 1] for band in bottom.collections]
    assert (heights[0].min(), heights[0].max()) == (pytest.approx(0.6), pytest.approx(1.4))
    mean = (0.4 + 0.35 + 0.25) / 3  # the shared expert serves all and does not count
    assert (heights[1].min(), heights[1].max()) == (pytest.approx(0.25 / mean), pytest.approx(0.4 / mean))
    without = [record | {"routers": {}} for record in records]
    assert len(training_plot(without, []).axes) == 1, "no empty axes"


def _legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend is not None else []


def test_heat_map_has_a_row_for_each_language_and_a_column_for_each_expert_of_each_layer(after):
    routing = after.routing
    routing["cpp"][7] = SUMMARY | {"segment_load": [0.9, 0.1]}
    figure = expert_heat_map(routing, "segment_load", TITLES)
    assert figure is not None
    axes, usual = figure.axes[0], [0.3, 0.7, 0.3, 0.7]
    drawn = np.asarray(axes.images[0].get_array()).tolist()
    assert drawn == [usual, [0.3, 0.7, 0.9, 0.1], usual, usual]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Rust", "C++", "Python", "English text"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["6", "7"]
    assert "2 experts" in axes.get_xlabel()
    for nothing in ({"rust": {6: only("token")}}, {"rust": {}}, {}):
        assert expert_heat_map(nothing, "segment_load", TITLES) is None


def test_a_verdict_has_a_bar_for_each_model_and_its_interval_and_names_what_was_not_scored():
    verdict = judged()
    figure = verdict_plot(verdict)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert widths == pytest.approx([10, 70, 50, 100 * 9 / 19])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Rust", "Python"]
    low, high = axes.get_ylim()
    assert low > high  # top to bottom
    spans = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    interval = cell_of(verdict).pass_at_k[1].interval
    assert spans[1] == pytest.approx([100 * bound for bound in interval])
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours == [PALE, BETTER, PALE, UNSURE]
    assert "not scored: Go" in figure.get_supxlabel()


def _marks(axes: Axes) -> dict[str, tuple[float, float]]:
    """Points by label, as x and y."""
    return {str(line.get_label()): line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"}  # pyright: ignore


def _axes(figure: Figure | None) -> Axes:
    assert figure is not None
    (axes,) = figure.axes
    return axes


def test_each_method_has_a_mark_where_its_means_are_and_its_name_beside_it(result):
    axes = _axes(comparison_plot(result))
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
    axes = _axes(comparison_rest_plot(result))
    marks = _marks(axes)
    assert marks["dense, all weights, 0.0003"] == pytest.approx((0, -8))
    assert marks["dense, all weights, 0.001"] == pytest.approx((1, -10))
    assert axes.get_title(loc="left") == "125,000 tokens"
    long = {name: run for name, run in result.runs.items() if run.is_long}
    assert comparison_rest_plot(with_runs(long)) is None
    assert comparison_plot(with_runs({})) is None
    for run in result.runs.values():
        del run.means["keep"]
    assert comparison_plot(result) is None, "one kind of language says nothing"


@settings(max_examples=15)
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
