"""The routing table of a review."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.report.review import routing_table


@pytest.fixture
def reviewed(metrics: dict[str, Any]) -> dict[str, Any]:
    """The measured result with what `eval.review` adds to each language."""
    for row in metrics["languages"].values():
        row |= {"shared_share_before": 0.45, "shared_share_after": 0.7}
        row |= {"segment_experts_before": 1.0, "segment_experts_after": 0.55}
    return metrics


def test_the_table_shows_every_language(reviewed):
    console = Console(file=StringIO(), width=120)
    console.print(routing_table(reviewed))
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    (line,) = [line for line in text.splitlines() if "Rust" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["Rust", "to learn", "45.0%", "70.0%", "1.00", "0.55"]
    assert all(title in text for title in ("C++", "Python", "to keep"))


def test_a_router_that_is_absent_leaves_its_cells_empty(reviewed):
    for row in reviewed["languages"].values():
        row |= {"shared_share_before": None, "shared_share_after": None}
    console = Console(file=StringIO(), width=120)
    console.print(routing_table(reviewed))
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    (line,) = [line for line in text.splitlines() if "Rust" in line]
    assert [cell.strip() for cell in line.split("│")[3:5]] == ["", ""]
