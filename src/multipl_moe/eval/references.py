"""Checking a benchmark with its own references: each must pass, and with a body that fails none may."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from multipl_moe.codegen.generation import generate_samples
from multipl_moe.codegen.reference import KnownCompleter
from multipl_moe.errors import ConfigError
from multipl_moe.eval.judging import judge_samples
from multipl_moe.eval.programs import Exam, Ways, evaluate_programs, prepare_exam, read_problems
from multipl_moe.judge.outcome import Outcome
from multipl_moe.problems.forms import broken_reference
from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.recipe import Recipe

_GREEDY = CodegenSection()
_HOLLOW = "its tests pass although the body of its function only fails"


def prepare_reference_exam(recipe: Recipe, ways: Ways) -> Exam:
    """What `prepare_exam` makes of the problems that have references.

    Raises:
        ConfigError: no problem has one, or what `prepare_exam` raises.
    """
    problems = [problem for problem in read_problems(recipe) if problem.reference is not None]
    if not problems:
        raise ConfigError(f"--reference: none of {', '.join(recipe.programs.benchmarks)} has reference solutions")
    return prepare_exam(recipe, ways, problems)


def check_references(recipe: Recipe, exam: Exam, output: Path, ways: Ways) -> dict[str, Any]:
    """Judge references; problems that broken ones pass are flagged.

    Args:
        recipe: programs are used.
        exam: what `prepare_reference_exam` made.
        output: folder of the evaluation, existing; results with broken bodies go into broken/.
        ways: how it is carried out.
    """
    exam = replace(exam, flags=_hollow_problems(recipe, exam, output / "broken", ways) | exam.flags)
    right = KnownCompleter("reference", {problem.key: problem.reference or "" for problem in exam.problems})

    def complete(problems, folder, on_progress):
        return generate_samples(problems, right, _GREEDY, folder, on_progress)

    return evaluate_programs(recipe, exam, complete, right.name, output, against=None, ways=ways)


def _hollow_problems(recipe: Recipe, exam: Exam, folder: Path, ways: Ways) -> dict[str, str]:
    """Problems whose tests pass a function that only fails, and why that matters."""
    ways.on_step("running references with broken bodies")
    texts = {problem.key: text for problem in exam.scored if (text := broken_reference(problem)) is not None}
    breakable = [problem for problem in exam.scored if problem.key in texts]
    if not breakable:
        return {}
    samples = generate_samples(breakable, KnownCompleter("broken reference", texts), _GREEDY, folder)
    results = judge_samples(
        breakable,
        samples,
        folder,
        workers=recipe.programs.workers,
        unsafe=ways.unsafe,
        toolbox=ways.toolbox,
        on_progress=ways.on_progress,
    )
    return {result["key"]: _HOLLOW for result in results if result["outcome"] == Outcome.passed}
