"""Tables of a corpus, of what is read of it and of what packing costs; some must fit into a terminal of 80 columns."""

from dataclasses import replace
from pathlib import Path

import pytest

from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.inspection.documents import Documents
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.data.packing import PackingCounts
from multipl_moe.data.training_data import LanguageShare, MixtureSummary
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.report.corpus_tables import (
    corpus_summary,
    corpus_table,
    few_held_out_note,
    mixture_table,
    over_budget_note,
)
from tests.report.test_grid import printed, row

_BEST_FIT = PackingCounts(64, 6_500, 102, 28, 0, 200, 50)


@pytest.fixture
def inspection() -> Inspection:
    dropped = dict.fromkeys(DROP_REASONS, 0) | {"too_small": 1200, "near_duplicate": 34}
    counts = LanguageCounts(112_864, 82_100_000, 127_749_211, 625, 1, {"MIT": 1}, dropped, {})
    manifest = CorpusManifest(2, 0, "tiny", "0" * 64, 0, {"mylang": counts})
    mine = {"title": "My [bold]lang", "extensions": [".my"]}
    recipe = validate_recipe({"learn": ["mylang"], "keep": [], "own_languages": {"mylang": mine}})
    return Inspection(Path("corpus"), manifest, recipe, 0, Documents(), {}, None, None, {"mbpp": "not asked for"})


def test_corpus_names_only_the_reasons_that_occurred(inspection):
    cells = row(corpus_table(inspection.manifest, inspection.recipe.language_table), "My [bold]lang")
    assert cells[1:] == ["112,864", "82.1", "127,749,211", "625", "near_duplicate 34\ntoo_small 1,200"]


def test_benchmarks_that_were_not_or_partly_checked_are_named(inspection):
    assert corpus_summary(inspection).notes == ["not checked for problems of mbpp"]
    checks = {"mbpp": BenchmarkCheck("checked", {}, 1, 500), "starter": BenchmarkCheck("checked", {}, 31, 31)}
    recipe = inspection.recipe.with_settings("programs", benchmarks=["mbpp:mine"])
    partly = replace(
        inspection, manifest=replace(inspection.manifest, decontamination=checks), recipe=recipe, unchecked={}
    )
    assert corpus_summary(partly).notes == ["partly checked for problems of mbpp (1 of 500)"]


def test_text_that_the_budget_left_out_is_told_in_a_sentence(inspection):
    assert over_budget_note(inspection.manifest, inspection.recipe) is None
    few = replace(inspection.manifest.languages["mylang"], validation_files=4)
    told = few_held_out_note(
        replace(inspection.manifest, languages={"rust": few, "go": replace(few, validation_files=5)})
    )
    assert told is not None
    assert told.startswith("few held-out files: 4 of Rust; ")
    inspection.manifest.languages["mylang"].dropped["over_budget"] = 1_000_000
    recipe = inspection.recipe.with_settings("corpus", max_bytes_per_language={"mylang": 82_100_000})
    note = over_budget_note(inspection.manifest, recipe) or ""
    assert "1,000,000 of 1,114,723 files of My [bold]lang (budget 82,100,000 bytes)" in note
    assert "null" in note


def test_what_is_read_has_a_row_for_each_language_in_80_columns():
    part = LanguageShare("keep", 0.4, 0.3, 10, 1_234_567, 10, 12.25, True, _BEST_FIT)
    small = LanguageShare("keep", 0.4, 0.3, 10, 630, 10, 1.25, True, _BEST_FIT)
    summary = MixtureSummary("best_fit", 64, "", {"english": part, "python": small})
    grid = mixture_table(summary)
    assert row(grid, "Python") == ["Python", "keep", "40.0%", "30.0%", "630", "1.25", "1.56%", "25.0%", "0.00%"]
    text = printed(grid, 80)
    assert "English text" in text
    assert "…" not in text
    assert summary.padding_share == pytest.approx(20 / (1_234_567 + 630 + 20))


def test_a_language_of_which_nothing_is_read_has_a_row_and_a_warning():
    part = LanguageShare("keep", 0.001, 0.0, 0, 0, 0, 0.0, False, _BEST_FIT)
    rust = LanguageShare("learn", 0.999, 1.0, 10, 640, 0, 1.0, False, _BEST_FIT)
    summary = MixtureSummary("best_fit", 64, "", {"rust": rust, "python": part})
    cells = row(mixture_table(summary), "Python")
    assert cells == ["Python", "keep", "0.1%", "0.0%", "0", "0.00", "", "25.0%", "0.00%"]
    (line,) = summary.warnings
    assert line.startswith("python: none of it is read: 0.1% of so few tokens")
