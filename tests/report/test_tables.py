"""Tables as a terminal shows them."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.eval.score_changes import describe_scores
from multipl_moe.report.tables import audit_table, corpus_table, result_table, scores_table
from multipl_moe.train.freezing import Audit


def _lines(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=140)
    console.print(table)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def _row(lines: list[str], *words: str) -> str:
    (line,) = [line for line in lines if all(word in line for word in words)]
    return line


def test_result_has_a_row_for_each_language_and_each_mean(metrics):
    table = result_table(metrics)
    assert table.row_count == 4 + 2
    lines = _lines(table)
    rust = _row(lines, "Rust")
    assert [part in rust for part in ("to learn", "2.0000", "1.6000", "-20.0%", "-20.0% to -20.0%")] == [True] * 5
    assert "+50.0%" in _row(lines, "English text", "to keep")
    assert "-15.0%" in _row(lines, "mean of code", "to learn")
    assert "+1.0%" in _row(lines, "mean of code", "to keep")


def test_languages_to_learn_come_before_those_to_keep(metrics):
    metrics["languages"] = dict(reversed(metrics["languages"].items()))
    text = "\n".join(_lines(result_table(metrics)))
    assert max(text.index("Rust"), text.index("C++")) < min(text.index("Python"), text.index("English"))


@pytest.mark.parametrize(
    ("interval", "colour"), [([-0.3, -0.1], "green"), ([0.1, 0.3], "red"), ([-0.1, 0.1], "yellow")]
)
def test_colour_tells_whether_the_interval_excludes_no_change(metrics, interval: list[float], colour: str):
    metrics["languages"] = {"rust": metrics["languages"]["rust"] | {"interval": interval}}
    cells = list(result_table(metrics).columns[4].cells)
    assert cells[0].style == colour  # pyright: ignore[reportAttributeAccessIssue]


def test_scores_of_one_model(recipe, before):
    lines = _lines(scores_table(describe_scores(recipe, before)))
    row = _row(lines, "C++")
    assert all(part in row for part in ("to learn", "2.0000", "3", "300"))


def test_corpus_names_only_the_reasons_that_occurred():
    dropped = dict.fromkeys(DROP_REASONS, 0) | {"too_small": 1234, "near_duplicate": 7}
    counts = LanguageCounts(1200, 3_400_000, 987_654, 130, 400_000, {"MIT": 1330}, dropped, {})
    row = _row(_lines(corpus_table(CorpusManifest(1, 0, "tiny", "0" * 64, 0, {"rust": counts}))), "Rust")
    assert all(part in row for part in ("1,200", "3.4", "987,654", "130", "too_small 1,234", "near_duplicate 7"))
    assert "binary" not in row


def test_audit_adds_up():
    lines = _lines(audit_table(Audit({"experts": 1_000_000, "token routers": 234}, 5_000_000)))
    assert "1,000,000" in _row(lines, "experts")
    assert "234" in _row(lines, "token routers")
    assert "1,000,234" in _row(lines, "trained")
    assert "5,000,000" in _row(lines, "frozen")
