"""Tables of the verdict: grouped by role, colours that tell noise, every caveat told."""

import pytest
from rich.text import Text

from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.report.verdict_tables import comparison_table, verdict_notes, verdict_table
from multipl_moe.runs.verdict import AtPrompts, Gate, Verdict, VerdictComparison
from tests.eval.judged import problems, results
from tests.report.judged import judged, of_model
from tests.report.test_grid import row

_GROUPS = [
    *(("Rust", "to learn", "starter"), ("mean", "to learn", ""), None),
    *(("Python", "to keep", "starter"), ("mean", "to keep", ""), None),
    *(("mean", "all", ""), None),
]


def _changes(verdict: Verdict) -> VerdictComparison:
    assert verdict.comparison is not None
    return verdict.comparison


def test_languages_to_learn_come_first_and_each_role_ends_with_its_mean():
    grid = verdict_table(judged())
    assert [cells and tuple(map(str, cells[:3])) for cells in grid.rows] == _GROUPS
    assert row(grid, "Rust")[3:] == ["20", "70.0%", "45.7% to 88.1%", "70.0%"]
    comparison = comparison_table(_changes(judged()))
    assert [cells and (str(cells[0]), cells[-1]) for cells in comparison.rows] == [
        group and group[:2] for group in _GROUPS
    ]
    assert comparison.title.endswith(": starter"), "the one benchmark of all rows"


def test_comparison_tells_both_rates_the_change_and_what_it_is_worth():
    grid = comparison_table(_changes(judged()))
    _, before, after, change, words, _, tasks, _ = row(grid, "Rust")
    assert (tasks, before, after, change, words) == ("20", "10.0%\n(100%)", "70.0%\n(70%)", "+60.0", "better")
    assert "in brackets: how many programs parse or compile" in grid.notes
    assert row(grid, "Python")[4] == "noise"
    assert any(note.startswith("noise: ") for note in grid.notes)
    assert "1 task does not count for one of the models: left out" in grid.notes
    changes = [cells[3] for cells in grid.rows if cells]
    styles = [cell.style for cell in changes if isinstance(cell, Text)]
    assert styles == ["green", "green", "yellow", "yellow", "green"]


def test_of_few_tasks_the_counts_alone_are_told():
    asked = problems("rust", 2) + problems("go", 3)
    settings = VerdictSettings(roles={"rust": "learn", "go": "learn"})
    verdict = judge_against(asked, results(asked, "wwwww"), results(asked, "pwppw"), settings)
    grid = comparison_table(_changes(verdict))
    assert row(grid, "Rust") == ["Rust", "0 of 2", "1 of 2", "", "too few", "", "2", "to learn"]
    assert row(grid, "mean", "to learn") == ["mean", "0 of 5", "3 of 5", "", "too few", "", "5", "to learn"]
    assert any(note.startswith("too few: ") for note in grid.notes)
    table = verdict_table(verdict)
    assert row(table, "Go")[3:] == ["3", "2 of 3", "", ""]
    assert row(table, "mean")[4:] == ["3 of 5", "", ""]


def test_a_gate_by_itself_has_rows_below_those_of_the_gate_that_was_told():
    asked, settings = problems("rust", 10), VerdictSettings(roles={"rust": "learn"})
    told, untold = (build_verdict(asked, results(asked, line), settings) for line in ("pppppwwwww", "pwwwwwwccc"))
    grid = verdict_table(of_model(told, gate=Gate(is_told=True, by_itself=untold)))
    first, second, mean, mean_by_itself, _ = grid.rows
    assert [str(cells[4]) for cells in (first, second, mean, mean_by_itself) if cells] == ["50.0%", "10.0%"] * 2
    assert [cells[1] for cells in (second, mean_by_itself) if cells] == ["gate by itself"] * 2
    assert (first and first[-1], second and second[-1]) == ("100.0%", "70.0%")
    assert "the model's domain gate was told the language of each problem (codegen.tell_language)" in grid.notes


@pytest.mark.parametrize(("is_told", "num_open", "is_base"), [(False, 0, True), (False, 1, False), (True, 0, False)])
def test_a_gate_that_opened_for_no_prompt_gave_the_base_s_result(is_told, num_open, is_base):
    at_prompts = {"rust": AtPrompts(open=num_open, prompts=20), "python": AtPrompts(open=0, prompts=20)}
    told = "; ".join(verdict_notes(judged(gate=Gate(is_told=is_told, at_prompts=at_prompts))))
    assert f"by itself it opens for so many prompts: Rust {num_open} of 20, Python 0 of 20" in told
    assert ("shut for all prompts, so this is the base's result" in told) == is_base


def test_notes_tell_what_was_not_scored_left_out_and_hollow():
    of_set = {"mbpp": "checked", "starter": "unknown"}
    left_out = {"set/ocaml/a": "Error", "set/ocaml/b": "Error"}
    assert verdict_notes(judged(decontamination=of_set, problems_left_out=left_out)) == [
        "Go not scored: go: not found; [install] it",
        "1 sample left out because the judge itself failed (the first is sample 0 of starter/python/19); "
        "such samples count for nothing",
        "2 problems left out whose tests do not compile with any answer: ocaml/a, ocaml/b",
        "training corpus decontaminated (files that held problems were left out) against: mbpp",
        "not known whether the training text was decontaminated against: starter",
        "tests that prove nothing, scored all the same: starter/rust/7",
    ]
    assert verdict_table(judged()).notes == verdict_notes(judged())
