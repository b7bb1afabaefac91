"""The verdict on programs as tables for the terminal."""

from typing import Any

from rich.table import Table
from rich.text import Text

from multipl_moe.report.verdict_rows import MEAN, comparison_rows, verdict_notes, verdict_rows

_STYLES = {"better": "green", "worse": "red", "noise": "yellow"}


def verdict_table(verdict: dict[str, Any]) -> Table:
    """pass@1 with its interval by language and benchmark, languages to learn and to keep apart, and the means.

    Args:
        verdict: what `build_verdict` returned.
    """
    table = Table(title="Programs that pass their tests (higher is better)", caption=_caption(verdict_notes(verdict)))
    for title in ("language", "role", "benchmark"):
        table.add_column(title)
    first, *others = [f"pass@{k}" for k in verdict["pass_at"]]
    for title in ("tasks", first, "95% interval", *others, "parses or compiles"):
        table.add_column(title, justify="right")
    for row in verdict_rows(verdict):
        first, *others = row.pass_at_k
        cells = (row.role, Text(row.benchmark), row.tasks, first, row.interval, *others, row.built)
        table.add_row(_language(row.language), *cells, end_section=row.ends_role)
    return table


def comparison_table(comparison: dict[str, Any]) -> Table:
    """pass@1 before and after by language and benchmark; yellow differences are within noise.

    Args:
        comparison: what `compare_verdicts` returned, the "comparison" of `judge_against`.
    """
    unpaired = comparison["unpaired"]
    notes = ["a difference under the column 'noise' is mostly noise at so many tasks"]
    if unpaired:
        verb = "task does" if len(unpaired) == 1 else "tasks do"
        notes.append(f"{len(unpaired):,} {verb} not count for one of the models: left out")
    table = Table(title="pass@1 before and after, in points (higher is better)", caption=_caption(notes))
    for title in ("language", "role", "benchmark"):
        table.add_column(title)
    for title in ("tasks", "before", "after", "change", "95% interval", "McNemar p", "noise"):
        table.add_column(title, justify="right")
    for row in comparison_rows(comparison):
        change = Text(row.difference, _STYLES[row.trend])
        cells = (row.tasks, row.before, row.after, change, row.interval, row.mcnemar_p, row.noise_below)
        table.add_row(_language(row.language), row.role, Text(row.benchmark), *cells, end_section=row.ends_role)
    return table


def _language(title: str) -> Text:
    return Text(title, "bold" if title == MEAN else "")


def _caption(notes: list[str]) -> Text | None:
    """Text, not markup: reasons and keys come from outside."""
    return Text("\n".join(notes)) if notes else None
