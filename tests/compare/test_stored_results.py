"""The pages on stored results are what the stored numbers say."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from multipl_moe.compare.schema import load_comparison
from multipl_moe.compare.session import ComparisonSession

DOCS = Path(__file__).parents[2] / "docs"
STORED = DOCS / "results"
CHANGE = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"


def test_the_stored_runs_give_the_stored_result_and_page(tmp_path):
    out = shutil.copytree(STORED, tmp_path / "out", ignore=shutil.ignore_patterns("*.md", "*.png"))
    (out / "comparison.json").unlink()
    ComparisonSession(load_comparison(STORED / "comparison.yaml"), out, Console(file=io.StringIO()), only=[]).run()
    assert (out / "comparison.md").read_bytes() == (STORED / "comparison.md").read_bytes()
    assert _rounded(out) == _rounded(STORED)


def _rounded(folder: Path) -> dict[str, Any]:
    """The result with numbers to ten digits, which no version of a library changes."""
    text = (folder / "comparison.json").read_text()
    return json.loads(text, parse_float=lambda number: f"{float(number):.10g}")


def test_every_change_in_results_md_is_one_of_the_page():
    told = set(re.findall(CHANGE, (DOCS / "results.md").read_text()))
    assert len(told) > 20
    assert told <= set(re.findall(CHANGE, (STORED / "comparison.md").read_text()))
