"""The plot of cost: the same runs at equal tokens and at equal time, of one processor."""

from matplotlib.axes import Axes

from multipl_moe.report.comparison_cost_plot import cost_plot


def _lines(axes: Axes) -> list[list[tuple[float, float]]]:
    """Points of each method, (x, y)."""
    return [[(round(x, 6), round(y, 6)) for x, y in line.get_xydata()] for line in axes.lines]  # pyright: ignore


def _panels(result, width: float = 8) -> tuple[Axes, Axes]:
    """Those of tokens and of time."""
    figure = cost_plot(result, width)
    assert figure is not None
    tokens, minutes = figure.axes
    return tokens, minutes


def test_each_method_has_its_best_run_of_each_length_against_tokens_and_minutes(result):
    result["runs"]["b"]["processor_s"] = 1500
    result["runs"]["d"]["processor_s"] = 600
    tokens, minutes = _panels(result)
    assert _lines(tokens) == [[(250, -12)], [(125, -10), (250, -11)]]
    assert _lines(minutes) == [[(20, -12)], [(10, -10), (25, -11)]]


def test_runs_of_other_processors_and_without_a_time_are_left_out(result):
    result["runs"]["a"]["environment"] = {"machine": {"processor": "EPYC"}}
    del result["runs"]["b"]["processor_s"]
    assert _lines(_panels(result)[0]) == [[(125, -10)]]


def test_without_times_there_is_no_plot(result):
    for run in result["runs"].values():
        run["processor_s"] = None
    assert cost_plot(result) is None
    assert cost_plot(result | {"runs": {}}) is None
