"""The small measured result of tests/eval/measured.py, a small comparison, and a real browser."""

import pytest

from multipl_moe.runs.comparison import ComparisonResult
from tests.browser import browser
from tests.eval.measured import after, before, metrics, moved, recipe, records, training
from tests.report.compared import compared

__all__ = ["after", "before", "browser", "metrics", "moved", "recipe", "records", "training"]


@pytest.fixture
def result() -> ComparisonResult:
    """What a comparison found."""
    return compared()
