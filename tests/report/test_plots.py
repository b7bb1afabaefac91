"""Figures show what they should."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from multipl_moe.report.plots import expert_heat_map, gain_plot, training_plot
from tests.eval.measured import SUMMARY, only

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


def test_gain_draws_each_interval(metrics):
    metrics.languages["rust"] = metrics.languages["rust"].but(interval=(-0.25, -0.12))
    learn, keep = gain_plot(metrics).axes
    lines = [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in (*learn.lines, *keep.lines)]
    spans = [x.tolist() for x, y in lines if y[0] == y[1]]
    assert len(spans) == 4
    assert any(span == pytest.approx([-25, -12]) for span in spans)
    low, high = keep.get_xlim()
    assert low < -25
    assert high > 50


def test_an_interval_that_would_flatten_the_bars_is_cut_and_ends_in_arrows(metrics):
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


def _legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend is not None else []


def test_training_without_experts_has_no_empty_axes(records):
    for record in records:
        record["routers"] = {}
    assert len(training_plot(records, []).axes) == 1


def test_heat_map_has_a_row_for_each_language_and_a_column_for_each_expert_of_each_layer(after):
    routing = after.routing
    routing["cpp"][7] = SUMMARY | {"segment_load": [0.9, 0.1]}
    figure = expert_heat_map(routing, "segment_load", TITLES)
    assert figure is not None
    axes = figure.axes[0]
    assert np.asarray(axes.images[0].get_array()).tolist() == [
        [0.3, 0.7, 0.3, 0.7],
        [0.3, 0.7, 0.9, 0.1],
        [0.3, 0.7, 0.3, 0.7],
        [0.3, 0.7, 0.3, 0.7],
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Rust", "C++", "Python", "English text"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["6", "7"]
    assert "2 experts" in axes.get_xlabel()


def test_no_heat_map_without_such_experts():
    assert expert_heat_map({"rust": {6: only("token")}}, "segment_load", TITLES) is None
    assert expert_heat_map({"rust": {6: only("segment")}}, "token_load", TITLES) is None
    assert expert_heat_map({"rust": {}}, "segment_load", TITLES) is None
    assert expert_heat_map({}, "token_load", TITLES) is None
