"""A whole evaluation of programs: from problems to the verdict, with what cannot be judged named and never a 0."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_moe.codegen.completer import Completion, Finish, KnownCompleter
from multipl_moe.codegen.generation import completed_by
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions, prepare_eval_set, read_problems
from multipl_moe.eval.programs import evaluate_programs
from multipl_moe.eval.references import check_references, prepare_reference_set
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.report.programs import write_programs_report
from multipl_moe.report.verdict_tables import verdict_notes
from multipl_moe.runs.decontamination import status_notes, statuses
from multipl_moe.runs.verdict import ProgramsResult
from tests.eval.judged import cell_of
from tests.upcycle.conftest import names_in

NO_RUBY = TOOLCHAINS | {"ruby": replace(TOOLCHAINS["ruby"], executables={"ruby": ("/no/such/ruby",)})}


def recipe(**programs: Any) -> Recipe:
    values = {"languages": ["python"], "problems_per_language": 3} | programs
    return load_recipe(None, {f"programs.{key}": value for key, value in values.items()})


def write(answers: KnownCompleter):
    return completed_by(answers, Recipe().codegen)


def evaluate(
    chosen: Recipe, output: Path, text_of, against: Path | None = None, gate: Any = None, **options: Any
) -> Any:
    """The verdict on what `text_of` writes for each problem; written as pages only where options say so."""
    output.mkdir()
    eval_set = prepare_eval_set(chosen, given := EvalOptions(**options))
    answers = KnownCompleter("known", {problem.key: text_of(problem) for problem in eval_set.scored})
    checks = statuses({"starter": {"status": "checked", "problems": {}}}, eval_set.benchmarks)
    told: dict[str, Any] = {"against": against, "options": given, "decontamination": checks, **(gate or {})}
    return evaluate_programs(chosen, eval_set, write(answers), "known", output, **told)


def reference_of(problem):
    return problem.reference


@pytest.fixture(scope="module")
def right(tmp_path_factory, bubblewrap) -> Path:
    """A language is without a toolchain."""
    output = tmp_path_factory.mktemp("programs") / "right"

    def report(folder: Path, *verdict: Any) -> None:
        assert "metrics.json" not in names_in(folder), "the sign that all is there"
        write_programs_report(folder, *verdict)

    chosen, found = recipe(languages=["python", "ruby"]), []
    evaluate(chosen, output, reference_of, toolbox=Toolbox(NO_RUBY), on_checks=found.append, on_verdict=report)
    assert found[0]["ruby"].version == ""
    return output


def test_the_folder_holds_all_that_the_verdict_rests_on(right):
    lines = {"samples.jsonl", "codegen.json", "results.jsonl", "details.jsonl"}
    assert set(names_in(right)) == lines | {"metrics.json", "problems.html", "programs.png"}
    metrics = ProgramsResult.read(right / "metrics.json")
    assert (metrics.model, metrics.benchmarks) == ("known", ["starter"])
    assert metrics.languages["python"].role == "keep"
    assert cell_of(metrics, "python").passes.value == 1.0
    assert metrics.environment["machine"]["cores"] >= 1
    assert metrics.decontamination == {"starter": "checked"}
    (note,) = status_notes({"starter": "checked"})
    page = (right / "problems.html").read_text()
    assert note in page
    assert note in verdict_notes(metrics)
    assert (list(metrics.languages), list(metrics.not_scored)) == (["python"], ["ruby"])
    assert "apt install" in metrics.not_scored["ruby"]
    assert "apt install" in page


def test_a_gate_that_was_not_told_has_a_verdict_of_its_own_beside_the_first(right, tmp_path):
    first, *others = (problem.key for problem in read_problems(recipe()))
    untold = write(KnownCompleter("untold", dict.fromkeys([first, *others], "    return (\n")))
    gate = {"gate_is_told": True, "opens_for": lambda problem: problem.key == first, "by_itself": untold}
    metrics = evaluate(recipe(), tmp_path / "out", reference_of, right, gate)
    alone = metrics.gate.by_itself
    cells = [cell_of(one, "python") for one in (metrics, metrics.before, alone)]
    assert [cell.passes.value for cell in cells] == [1.0, 1.0, 0.0]
    change = cell_of(alone.comparison, "python")
    assert (cells[2].failures["not_built"], change.before, change.after, change.lost) == (3, 1.0, 0.0, 3)
    assert metrics.gate.is_told
    at_prompts = metrics.gate.at_prompts["python"]
    assert (at_prompts.open, at_prompts.prompts) == (1, 3)
    assert "by itself it opens for so many prompts: Python 1 of 3" in "; ".join(verdict_notes(metrics))
    assert set(names_in(tmp_path / "out" / "gate_by_itself")) >= {"samples.jsonl", "results.jsonl", "details.jsonl"}


def test_answers_whose_form_is_at_fault_are_named_in_verdict_and_page(bubblewrap, tmp_path):
    many = recipe(problems_per_language=10)
    evaluate(many, tmp_path / "before", reference_of)
    before, after, written = tmp_path / "before", tmp_path / "after", {"on_verdict": write_programs_report}
    fenced = evaluate(many, after, lambda one: f"{one.reference}```\n", before, **written)
    (fault,) = fenced.form_faults
    assert (fault.not_built, fault.before.not_built, fault.signs) == (10, 0, {"hold a code fence": 10})
    assert "SyntaxError" in fault.error
    assert fault.sentence in verdict_notes(fenced)
    assert fault.key in (after / "problems.html").read_text().split("<noscript>")[0]


def test_what_cannot_be_compared_is_told_before_anything_is_written(right, tmp_path):
    with pytest.raises(ConfigError, match=r"--against: .* has no result of 1 of the problems"):
        evaluate(recipe(problems_per_language=4), tmp_path / "more", reference_of, against=right)
    assert list((tmp_path / "more").iterdir()) == []


def test_where_no_language_can_be_judged_nothing_begins(bubblewrap):
    with pytest.raises(ConfigError, match="ruby: cannot be judged here: "):
        prepare_eval_set(recipe(languages=["ruby"]), EvalOptions(toolbox=Toolbox(NO_RUBY)))


def own_set(folder: Path, *changes: dict[str, Any]) -> Recipe:
    """The recipe of a set of one's own, in which each problem changes a good one; a None takes a field away."""
    good = {"language": "python", "prompt": "def double(n):\n", "reference": "    return 2 * n\n"}
    good |= {"id": "double", "tests": "assert double(2) == 4\n"}
    rows = [{key: value for key, value in (good | change).items() if value is not None} for change in changes]
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return recipe(benchmarks=[str(folder / "mine.jsonl")], problems_per_language=None)


def test_references_pass_and_hollow_tests_are_flagged(bubblewrap, tmp_path):
    chosen = own_set(
        tmp_path,
        {},
        {"id": "hollow", "tests": "assert double\n"},
        {"id": "empty", "tests": "pass\n"},
        {"id": "none", "tests": "assert double(2)\n", "reference": None},
    )
    (tmp_path / "out").mkdir()
    reference_set = prepare_reference_set(chosen, EvalOptions())
    metrics = check_references(chosen, reference_set, tmp_path / "out", EvalOptions())
    cell = metrics.languages["python"].benchmarks["mine"]
    assert (cell.tasks, cell.outcomes["passed"]) == (3, 3)
    assert metrics.flags == {
        "mine/python/hollow": "its tests pass although the body of its function only fails",
        "mine/python/empty": "its tests hold no assertion",
    }


def test_sets_without_references_cannot_be_checked_and_one_that_is_named_twice_not_read(tmp_path):
    with pytest.raises(ConfigError, match=r"--reference: none of .*mine\.jsonl has reference solutions"):
        prepare_reference_set(own_set(tmp_path, {"reference": None}), EvalOptions())
    with pytest.raises(ConfigError, match=r"starter/python/\w+ comes from two of them"):
        read_problems(recipe(benchmarks=["starter", "starter"]))


def test_the_number_of_problems_of_a_language_can_be_limited():
    problems = read_problems(recipe(languages=["python", "go"], problems_per_language=2))
    assert [problem.language for problem in problems].count("go") == 2
    assert len(problems) == 4


def test_another_set_of_problems_is_not_compared(bubblewrap, tmp_path):
    evaluate(own_set(tmp_path, {}), tmp_path / "before", reference_of)
    changed = own_set(tmp_path, {"prompt": "def double(n: int):\n"})
    with pytest.raises(ConfigError, match="was evaluated on other problems or stop strings of mine/python"):
        evaluate(changed, tmp_path / "after", reference_of, against=tmp_path / "before")


def test_prompts_that_a_model_cannot_read_fail_and_are_named_and_a_set_can_be_cut(bubblewrap, tmp_path):
    eval_set = prepare_eval_set(recipe(languages=["python", "ruby"]), EvalOptions(toolbox=Toolbox(NO_RUBY)))
    first, second, _ = (problem.key for problem in eval_set.scored)
    eval_set = eval_set.only({first, second})
    assert {problem.language for problem in eval_set.unscored} == {"ruby"}

    def complete(problems, folder, on_progress):
        samples = write(KnownCompleter("known", {problem.key: problem.reference for problem in problems}))
        return {**samples(problems, folder, on_progress), (first, 0): Completion("", Finish.length)}

    options = EvalOptions()
    metrics = evaluate_programs(recipe(), eval_set, complete, "known", tmp_path, against=None, options=options)
    assert metrics.did_not_fit == [first]
    cell = cell_of(metrics, "python")
    assert (cell.tasks, cell.outcomes["passed"]) == (2, 1)
    assert any("1 prompt too long for the model" in note for note in verdict_notes(metrics))
