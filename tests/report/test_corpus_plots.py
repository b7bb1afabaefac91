"""Figures of a corpus show what they should."""

import pytest

from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.report.corpus_plots import DROPPED_GROUPS, fate_plot

TITLES = {"rust": "Rust", "mylang": "My $lang$"}


def test_every_reason_has_its_place():
    assert sorted(reason for _, reasons in DROPPED_GROUPS.values() for reason in reasons) == sorted(DROP_REASONS)


def test_the_bars_of_a_language_are_its_shares_and_fill_the_whole():
    none: dict[str, int] = dict.fromkeys(DROP_REASONS, 0)
    rows = {
        "rust": LanguageCounts(
            50, 1, 1, 10, 1, {}, none | {"near_duplicate": 15, "exact_duplicate": 5, "binary": 20}, {}
        ),
        "mylang": LanguageCounts(3, 1, 1, 1, 1, {}, none, {}),
    }
    figure = fate_plot(CorpusManifest(2, 0, "tiny", "0" * 64, 0, rows), TITLES)
    (axes,) = figure.axes
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}  # pyright: ignore
    assert widths == {
        "training": pytest.approx([0.5, 0.75]),
        "held out": pytest.approx([0.1, 0.25]),
        "duplicates": pytest.approx([0.2, 0]),
        "unusable": pytest.approx([0.2, 0]),
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Rust (100)", r"My \$lang\$ (4)"]
