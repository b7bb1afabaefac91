"""The plot of cost: the same runs at equal tokens and at equal time, of one processor."""

from matplotlib.axes import Axes

from multipl_moe.report.comparison_cost_plot import cost_plot
from tests.report.compared import a_run, with_runs


def _lines(axes: Axes) -> list[list[tuple[float, float]]]:
    """Points of each method, (x, y)."""
    return [[(round(x, 6), round(y, 6)) for x, y in line.get_xydata()] for line in axes.lines]  # pyright: ignore


def _panels(result, width: float = 8) -> tuple[Axes, Axes]:
    """Those of tokens and of time."""
    figure = cost_plot(result, width)
    assert figure is not None
    tokens, minutes = figure.axes
    return tokens, minutes


def _names(result, width: float = 8) -> list[str]:
    return [text.get_text() for text in _panels(result, width)[1].texts]


def test_each_method_has_its_best_run_of_each_length_against_tokens_and_minutes(result):
    for name, seconds in {"b": 1500.0, "d": 600.0}.items():
        result.runs[name] = result.runs[name].but(processor_s=seconds)
    tokens, minutes = _panels(result)
    assert _lines(tokens) == [[(250, -12)], [(125, -10), (250, -11)]]
    assert _lines(minutes) == [[(20, -12)], [(10, -10), (25, -11)]]


def test_more_is_learnt_further_up(result):
    for axes in _panels(result):
        low, high = axes.get_ylim()
        assert low > high


def test_names_stand_beside_the_panel_of_time(result):
    assert _names(result) == ["hybrid", "dense, all weights"]
    assert _names(result, 3.7) == ["hybrid", "dense, all\nweights"]


def test_runs_of_other_processors_and_without_a_time_are_left_out(result):
    result.runs["a"] = result.runs["a"].but(environment={"machine": {"processor": "EPYC"}})
    result.runs["b"] = result.runs["b"].but(processor_s=None)
    assert _lines(_panels(result)[0]) == [[(125, -10)]]


def test_a_second_seed_changes_nothing(result):
    before = [_lines(axes) for axes in _panels(result)]
    result.runs["e"] = a_run("causal", -0.2, 0.0).but(seed=1)
    assert [_lines(axes) for axes in _panels(result)] == before


def test_eight_methods_are_shown_those_with_long_runs_first(result):
    for number in range(9):
        result.methods[str(number)] = f"short {number}"
        result.runs[f"s{number}"] = a_run(str(number), -0.3 - number / 100, 0.0, is_long=False)
    names = _names(result)
    assert sorted(names) == sorted(["hybrid", "dense, all weights", *(f"short {number}" for number in range(3, 9))])


def test_without_times_there_is_no_plot(result):
    for name, run in result.runs.items():
        result.runs[name] = run.but(processor_s=None)
    assert cost_plot(result) is None
    assert cost_plot(with_runs({})) is None
