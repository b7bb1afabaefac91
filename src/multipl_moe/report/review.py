"""The routing of each language before and after a review."""

from typing import Any

from rich.table import Table

from multipl_moe.languages.table import language_title


def routing_table(metrics: dict[str, Any]) -> Table:
    """The share on the frozen expert and the segment experts of each language, before and after."""
    table = Table(title="Routing on held-out files")
    table.add_column("language")
    table.add_column("role")
    for title in ("frozen expert before", "after", "segment experts before", "after"):
        table.add_column(title, justify="right")
    for name, row in metrics["languages"].items():
        shares = [_cell(row[f"shared_share_{when}"], ".1%") for when in ("before", "after")]
        experts = [_cell(row[f"segment_experts_{when}"], ".2f") for when in ("before", "after")]
        table.add_row(language_title(name, row), f"to {row['role']}", *shares, *experts)
    return table


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
