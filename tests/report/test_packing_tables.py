"""Tables of what is read and of what packing costs, as a terminal shows them."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from multipl_moe.data.packing import PackingCounts
from multipl_moe.data.training_data import LanguageShare, MixtureSummary
from multipl_moe.report.packing_tables import mixture_table, packing_table

_WINDOWS = PackingCounts(64, 6_500, 101, 0, 36, 200, 150)
_BEST_FIT = PackingCounts(64, 6_500, 102, 28, 0, 200, 50)


def _lines(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def test_each_way_of_packing_has_its_row():
    lines = _lines(packing_table({"rust": {"windows": _WINDOWS, "best_fit": _BEST_FIT}}))
    (windows,) = [line for line in lines if "windows" in line]
    (best_fit,) = [line for line in lines if "best fit" in line]
    assert [part in windows for part in ("Rust", "101", "0.00%", "75.0%", "0.554%")] == [True] * 5
    assert [part in best_fit for part in ("Rust", "102", "0.43%", "25.0%", "0.000%")] == [True] * 5
    assert any("sequences of 64 tokens" in line for line in lines)


def test_what_is_read_can_be_read_in_80_columns():
    part = LanguageShare("keep", 0.4, 0.3, 10, 1_234_567, 10, 12.25, True, _BEST_FIT)
    console = Console(file=io.StringIO(), width=80)
    console.print(mixture_table(MixtureSummary("best_fit", 64, "", {"english": part})))
    assert "English text" in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "…" not in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_language_of_which_nothing_is_read_has_a_row_and_a_warning():
    part = LanguageShare("keep", 0.001, 0.0, 0, 0, 0, 0.0, False, _BEST_FIT)
    rust = LanguageShare("learn", 0.999, 1.0, 10, 640, 0, 1.0, False, _BEST_FIT)
    summary = MixtureSummary("best_fit", 64, "", {"rust": rust, "python": part})
    (row,) = [line for line in _lines(mixture_table(summary)) if "Python" in line]
    assert row.split() == ["Python", "keep", "0.1%", "0.0%", "0", "0.00", "25.0%", "0.00%"]
    (line,) = summary.warnings
    assert line.startswith("python: none of it is read: 0.1% of so few tokens")


def test_what_is_read_has_a_row_for_each_language():
    part = LanguageShare("keep", 0.4, 0.3, 10, 630, 10, 1.25, True, _BEST_FIT)
    summary = MixtureSummary("best_fit", 64, "", {"python": part})
    (row,) = [line for line in _lines(mixture_table(summary)) if "Python" in line]
    assert row.split() == ["Python", "keep", "40.0%", "30.0%", "630", "1.25", "1.56%", "25.0%", "0.00%"]
    assert summary.padding_share == pytest.approx(10 / 640)
    assert len(summary.warnings) == 1
