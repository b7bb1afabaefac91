"""The pages on stored results are what the stored numbers say."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.compare.schema import load_comparison
from multipl_moe.compare.session import ComparisonSession

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.usefixtures("markdown_alone")
STORED = {name: DOCS / name for name in ("results", "default", "replay")}
CHANGE = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"


@pytest.mark.parametrize("name", STORED)
def test_the_stored_runs_give_the_stored_result_and_page(name, tmp_path):
    stored = STORED[name]
    out = shutil.copytree(stored, tmp_path / "out", ignore=shutil.ignore_patterns("*.md", "*.png"))
    (out / "comparison.json").unlink()
    ComparisonSession(load_comparison(stored / "comparison.yaml"), out, Console(file=io.StringIO()), only=[]).run()
    assert (out / "comparison.md").read_bytes() == (stored / "comparison.md").read_bytes()
    assert _rounded(out) == _rounded(stored)


@pytest.mark.parametrize("name", STORED)
def test_the_stored_comparison_is_that_of_the_recipe(name):
    recipe = load_comparison(DOCS.parent / "recipes" / "comparisons" / f"{name}.yaml")
    assert recipe.goes_on_from(load_comparison(STORED[name] / "comparison.yaml"))


def _rounded(folder: Path) -> dict[str, Any]:
    """The result with numbers to ten digits, which no version of a library changes."""
    text = (folder / "comparison.json").read_text()
    return json.loads(text, parse_float=lambda number: f"{float(number):.10g}")


def test_every_change_that_the_pages_of_results_tell_is_a_stored_one():
    texts = [(DOCS / name).read_text() for name in ("results.md", "programs.md", "../README.md")]
    told = {change for text in texts for change in re.findall(CHANGE, text)}
    pages = [(folder / "comparison.md").read_text() for folder in STORED.values()]
    programs = json.loads((DOCS / "programs.json").read_text())["rows"]
    changes = {"{:+.1f} [{:+.1f}, {:+.1f}]".format(*_points(row)) for row in programs}
    assert len(told) > 40
    assert told <= changes | {change for page in pages for change in re.findall(CHANGE, page)}


def test_every_run_of_programs_md_is_a_stored_row_in_all_its_numbers():
    page = (DOCS / "programs.md").read_text()
    lines = [line.split(" | ") for line in page.splitlines() if re.match(r"\| [GORLSY]\d+ \|", line)]
    told = [cells for cells in lines if len(cells) == 7]  # others say which commit made them
    stored = json.loads((DOCS / "programs.json").read_text())["rows"]
    for name, _, *numbers, moved in told:
        row = next((row for row in stored if _cells(row) == numbers), None)
        assert row is not None, f"{name} is no stored row that no other run has"
        stored.remove(row)
        nats = row["moved"]["nats_per_token"] if "moved" in row else None
        shown = moved.removesuffix(" |")
        assert shown == ("\u2013" if nats is None else f"{nats:.{len(shown) - 2}f}"), name
    assert len(told) > 20


def _cells(row: dict[str, Any]) -> list[str]:
    before, after = (f"{row[key]:.1%} ({row[key] * row['tasks']:.0f})" for key in ("before", "after"))
    change = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*_points(row))
    built = row["parses_or_compiles"]
    told = change if row["is_noise"] else f"**{change}**"
    return [before, after, told, f"{built['before']:.1%} to {built['after']:.1%}"]


def _points(row: dict[str, Any]) -> list[float]:
    """A change of pass@1 and its interval."""
    return [100 * value for value in (row["difference"], *row["interval"])]
