"""Tables of the verdict as a terminal shows them."""

import io

from rich.console import Console
from rich.table import Table

from multipl_moe.report.verdict_tables import comparison_table, verdict_table
from tests.eval.judged import problems, results
from tests.report.judged import judged


def _text(table: Table, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def _row(text: str, *words: str) -> str:
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


def test_a_row_tells_rate_interval_and_what_compiles():
    text = _text(verdict_table(judged()))
    rust = _row(text, "Rust", "starter")
    assert all(part in rust for part in ("to learn", "20", "70.0%", "48.1% to 85.5%"))
    assert "mean" in _row(text, "to keep", "mean")


def test_a_language_that_is_not_scored_is_named_with_its_reason_and_markup_stays_text():
    text = _text(verdict_table(judged()))
    assert "Go not scored: go: not found; [install] it" in text
    assert " 0.0%" not in text


def test_each_k_has_a_column():
    from multipl_moe.eval.verdict import VerdictSettings, build_verdict

    asked = problems("rust", 3, benchmark="[red]mine")
    verdict = build_verdict(asked, results(asked, "pww", "wpw"), VerdictSettings(pass_at=(2,)))
    text = _text(verdict_table(verdict))
    assert all(part in text for part in ("pass@1", "pass@2", "33.3%", "66.7%", "[red]mine"))


def test_comparison_tells_both_rates_the_change_and_the_bound_of_noise():
    text = _text(comparison_table(judged()["comparison"]))
    rust = _row(text, "Rust")
    assert all(part in rust for part in ("10.0%", "70.0%", "+60.0", "<0.001", "40.0"))
    assert "1 task does not count for one of the models" in text


def test_colour_tells_whether_a_change_is_more_than_noise():
    cells = list(comparison_table(judged()["comparison"]).columns[6].cells)
    styles = [cell.style for cell in cells]  # pyright: ignore[reportAttributeAccessIssue]
    assert styles == ["green", "green", "yellow", "yellow", "green"]
