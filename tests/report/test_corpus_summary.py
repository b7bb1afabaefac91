"""The table of a corpus as a terminal of 80 columns shows it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.inspection.documents import Documents
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.report.corpus_summary import corpus_summary


@pytest.fixture
def inspection() -> Inspection:
    dropped = dict.fromkeys(DROP_REASONS, 0) | {"too_small": 1200, "near_duplicate": 34}
    row = LanguageCounts(112_864, 82_100_000, 127_749_211, 625, 1, {"MIT": 1}, dropped, {})
    manifest = CorpusManifest(2, 0, "tiny", "0" * 64, 0, {"mylang": row})
    mine = {"title": "My [bold]lang", "extensions": [".my"]}
    recipe = validate_recipe({"learn": ["mylang"], "keep": [], "own_languages": {"mylang": mine}})
    return Inspection(Path("corpus"), manifest, recipe, 0, Documents(), {}, None, None, {"mbpp": "not asked for"})


def shown(inspection: Inspection) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(corpus_summary(inspection))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_all_numbers_fit_into_one_line(inspection):
    (line,) = [line for line in shown(inspection).splitlines() if "My [bold]lang" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        *("My [bold]lang", "112,864", "82.1", "127,749,211", "0.64", "625", "1,234")
    ]


def test_benchmarks_that_were_not_checked_are_named(inspection):
    assert "not checked for problems of mbpp" in shown(inspection)
    assert "not checked" not in shown(replace(inspection, unchecked={}))


def test_benchmarks_that_were_partly_checked_are_named_with_numbers(inspection):
    checks = {"mbpp": BenchmarkCheck("checked", {}, 1, 500), "starter": BenchmarkCheck("checked", {}, 31, 31)}
    partly = replace(inspection, manifest=replace(inspection.manifest, decontamination=checks), unchecked={})
    assert "partly checked for problems of mbpp (1 of 500)" in shown(partly)
    assert "starter" not in shown(partly)
