"""Tables of what was measured, trained, built and foreseen; some must fit into a terminal of 80 columns."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.inspection.documents import Documents
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.data.packing import PackingCounts
from multipl_moe.data.training_data import LanguageShare, MixtureSummary
from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.score_changes import describe_scores
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.report.comparison_tables import comparison_runs_table, solved_table
from multipl_moe.report.corpus_tables import (
    corpus_summary,
    corpus_table,
    few_held_out_note,
    mixture_table,
    over_budget_note,
)
from multipl_moe.report.doctor import comparison_plan_table
from multipl_moe.report.tables import audit_table, measure_table, result_table, scores_table
from multipl_moe.train.freezing import TrainableParameters
from tests.report.test_grid import printed, row

_BEST_FIT = PackingCounts(64, 6_500, 102, 28, 0, 200, 50)


def test_result_has_a_row_for_each_language_and_mean_those_to_learn_first(metrics):
    grid = result_table(metrics.but(languages=dict(reversed(metrics.languages.items()))))
    assert row(grid, "Rust") == ["Rust", "-20.0%", "-20.0% to -20.0%", "2.0000", "1.6000", "to learn"]
    assert row(grid, "mean of code", "to learn")[1] == "-15.0%"
    assert row(grid, "mean of code", "to keep")[1] == "+1.0%"
    names = [str(cells[0]) for cells in grid.rows if cells]
    assert names == ["C++", "Rust", "mean of code", "English text", "Python", "mean of code"]


@pytest.mark.parametrize(
    ("files", "interval", "colour"),
    [(9, [-0.3, -0.1], "green"), (9, [0.1, 0.3], "red"), (9, [-0.1, 0.1], "yellow"), (1, [-1.2, 0.8], "yellow")],
)
def test_colour_tells_whether_the_interval_excludes_no_change_and_one_file_has_none(metrics, files, interval, colour):
    rust = metrics.languages["rust"].but(interval=interval, files=files)
    (_, change, told, *_), *_ = result_table(metrics.but(languages={"rust": rust})).rows  # pyright: ignore
    assert isinstance(change, Text)
    assert (change.style, told == "one file: none") == (colour, files == 1)


def test_scores_movement_and_what_trains_have_their_rows(recipe, before, moved):
    assert row(scores_table(describe_scores(recipe, before)), "C++") == ["C++", "to learn", "2.0000", "3", "300"]
    grid = measure_table(MEASURES["moved"], moved)
    assert [cells[0] for cells in grid.rows if cells] == ["the base's own answers", "other kinds of text"]
    assert row(grid, "other kinds of text") == ["other kinds of text", "12,345", "0.500", "0.400 to 0.600", "10.0%"]
    grid = audit_table(TrainableParameters({"experts": 1_000_000, "token routers": 234}, 5_000_000))
    assert [tuple(map(str, cells)) for cells in grid.rows if cells] == [
        ("experts", "1,000,000"),
        ("token routers", "234"),
        ("trained", "1,000,234"),
        ("frozen: everything else", "5,000,000"),
    ]


def test_a_comparison_has_the_long_runs_and_where_there_is_none_the_short_ones(result):
    rows = [cells for cells in comparison_runs_table(result).rows if cells]
    assert [str(cells[2]) for cells in rows] == ["-12.0\n[-13.0, -11.0]", "-11.0\n[-12.0, -10.0]"]
    short = {name: run for name, run in result.runs.items() if not run.is_long}
    rows = [cells for cells in comparison_runs_table(result.but(runs=short)).rows if cells]
    assert [cells[1] for cells in rows] == ["0.0003\nseed 0", "0.001\nseed 0"]


def test_what_parses_or_compiles_stands_in_brackets_beside_what_passes(result):
    assert row(solved_table(result, result.base), "base") == ["base", "", "3", "1", "4"]
    rust = result.base.languages["rust"].but(parses_or_compiles=0.75)
    table = solved_table(result, result.base.but(languages=result.base.languages | {"rust": rust}))
    assert row(table, "base") == ["base", "", "3 (75%)", "1", "4"]
    assert "In brackets: how many parse or compile." in table.notes


def test_a_comparison_needs_the_most_memory_of_a_run_and_the_time_of_all():
    runs = {"hybrid": [(3 * 2**30, 60.0), (2 * 2**30, 30.0)], "dense": [(2**30, 20.0)]}
    grid = comparison_plan_table(runs, usable_bytes=2 * 2**30)
    assert row(grid, "hybrid")[1:] == ["2", "3.00 GiB", "90 s"]
    assert row(grid, "all")[1:] == ["3", "3.00 GiB", "110 s"]
    colours = {str(cells[0]): cells[2].style for cells in grid.rows if cells is not None}  # pyright: ignore
    assert colours == {"hybrid": "red", "dense": "green", "all": "red"}


@pytest.fixture
def inspection() -> Inspection:
    dropped = dict.fromkeys(DROP_REASONS, 0) | {"too_small": 1200, "near_duplicate": 34}
    counts = LanguageCounts(112_864, 82_100_000, 127_749_211, 625, 1, {"MIT": 1}, dropped, {})
    manifest = CorpusManifest(2, 0, "tiny", "0" * 64, 0, {"mylang": counts})
    mine = {"title": "My [bold]lang", "extensions": [".my"]}
    recipe = validate_recipe({"learn": ["mylang"], "keep": [], "own_languages": {"mylang": mine}})
    return Inspection(Path("corpus"), manifest, recipe, 0, Documents(), {}, None, None, {"mbpp": "not asked for"})


def test_a_corpus_names_reasons_that_occurred_and_benchmarks_that_were_not_or_partly_checked(inspection):
    cells = row(corpus_table(inspection.manifest, inspection.recipe.language_table), "My [bold]lang")
    assert cells[1:] == ["112,864", "82.1", "127,749,211", "625", "near_duplicate 34\ntoo_small 1,200"]
    assert corpus_summary(inspection).notes == ["not checked for problems of mbpp"]
    checks = {"mbpp": BenchmarkCheck("checked", {}, 1, 500), "starter": BenchmarkCheck("checked", {}, 31, 31)}
    recipe = inspection.recipe.with_settings("programs", benchmarks=["mbpp:mine"])
    manifest = replace(inspection.manifest, decontamination=checks)
    partly = replace(inspection, manifest=manifest, recipe=recipe, unchecked={})
    assert corpus_summary(partly).notes == ["partly checked for problems of mbpp (1 of 500)"]


def test_few_held_out_files_and_text_that_the_budget_left_out_are_told_in_a_sentence(inspection):
    manifest, recipe = inspection.manifest, inspection.recipe
    assert over_budget_note(manifest, recipe) is None
    few = replace(manifest.languages["mylang"], validation_files=4)
    told = few_held_out_note(
        replace(manifest, languages={"rust": few, "go": replace(few, validation_files=5)}), LANGUAGES
    )
    assert (told or "").startswith("few held-out files: 4 of Rust; ")
    manifest.languages["mylang"].dropped["over_budget"] = 1_000_000
    recipe = recipe.with_settings("corpus", max_bytes_per_language={"mylang": 82_100_000})
    note = over_budget_note(manifest, recipe) or ""
    assert "1,000,000 of 1,114,723 files of My [bold]lang (budget 82,100,000 bytes)" in note
    assert "null" in note


def test_what_is_read_has_a_row_for_each_language_in_80_columns_and_a_warning_where_it_is_nothing():
    part = LanguageShare("keep", 0.4, 0.3, 10, 1_234_567, 10, 12.25, True, _BEST_FIT)
    small = LanguageShare("keep", 0.4, 0.3, 10, 630, 10, 1.25, True, _BEST_FIT)
    none = LanguageShare("keep", 0.001, 0.0, 0, 0, 0, 0.0, False, _BEST_FIT)
    summary = MixtureSummary("best_fit", 64, "", {"english": part, "python": small, "go": none})
    grid = mixture_table(summary, LANGUAGES)
    assert row(grid, "Python") == ["Python", "keep", "40.0%", "30.0%", "630", "1.25", "1.56%", "25.0%", "0.00%"]
    assert row(grid, "Go") == ["Go", "keep", "0.1%", "0.0%", "0", "0.00", "", "25.0%", "0.00%"]
    text = printed(grid, 80)
    assert "English text" in text
    assert "…" not in text
    assert summary.padding_share == pytest.approx(20 / (1_234_567 + 630 + 20))
    assert [line for line in summary.warnings if line.startswith("go: none of it is read: 0.1% of so few tokens")]
