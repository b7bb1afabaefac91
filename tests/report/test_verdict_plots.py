"""The plot of the verdict shows what it should."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from multipl_moe.report.colours import BETTER, PALE, UNSURE
from multipl_moe.report.verdict_plots import verdict_plot
from tests.report.judged import judged


def test_each_language_has_a_bar_for_each_model_and_its_interval():
    verdict = judged()
    (axes,) = verdict_plot(verdict).axes
    widths = [bar.get_width() for bar in axes.patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert widths == pytest.approx([10, 70, 50, 100 * 9 / 19])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Rust", "Python"]
    low, high = axes.get_ylim()
    assert low > high  # top to bottom
    spans = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    interval = verdict.languages["rust"].benchmarks["starter"].pass_at_k[1].interval
    assert spans[1] == pytest.approx([100 * bound for bound in interval])
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours == [PALE, BETTER, PALE, UNSURE]


def test_languages_that_are_not_scored_are_named_and_have_no_bar():
    figure = verdict_plot(judged())
    assert "not scored: Go" in figure.get_supxlabel()
    assert len(figure.axes[0].patches) == 4
