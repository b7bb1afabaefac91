"""Checking a benchmark with its own references: each must pass, and with a body that fails none may."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.forms import broken_reference
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import KnownCompleter
from multipl_moe.codegen.generation import completed_by, generate_samples
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions, EvalSet, prepare_eval_set, read_problems
from multipl_moe.eval.judging import judge_samples
from multipl_moe.eval.programs import evaluate_programs
from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.verdict import ProgramsResult

_GREEDY = CodegenSection()
_HOLLOW = "its tests pass although the body of its function only fails"


def prepare_reference_set(recipe: Recipe, options: EvalOptions) -> EvalSet:
    """What `prepare_eval_set` makes of the problems that have references.

    Raises:
        ConfigError: no problem has one, or what `prepare_eval_set` raises.
    """
    problems = [problem for problem in read_problems(recipe) if problem.reference is not None]
    if not problems:
        raise ConfigError(f"--reference: none of {', '.join(recipe.programs.benchmarks)} has reference solutions")
    return prepare_eval_set(recipe, options, problems)


def check_references(recipe: Recipe, eval_set: EvalSet, output: Path, options: EvalOptions) -> ProgramsResult:
    """Judge references into an existing folder; problems that broken ones pass are flagged, see its broken/."""
    hollow = _hollow_problems(recipe, eval_set.scored, output / "broken", options)
    eval_set = replace(eval_set, flags=hollow | eval_set.flags)
    right = KnownCompleter("reference", {problem.key: problem.reference or "" for problem in eval_set.problems})
    complete = completed_by(right, _GREEDY)
    return evaluate_programs(recipe, eval_set, complete, right.name, output, against=None, options=options)


def reference_faults(recipe: Recipe, problems: list[Problem], options: EvalOptions) -> dict[str, str]:
    """What is wrong with a problem, by key: its reference does not pass, or with a body that fails its tests do.

    The problems have references, in languages that can be judged here.
    """
    with TemporaryDirectory() as folder:
        faults = _hollow_problems(recipe, problems, Path(folder, "broken"), options)
        right = KnownCompleter("reference", {problem.key: problem.reference or "" for problem in problems})
        samples = generate_samples(problems, right, _GREEDY, Path(folder, "right"))
        results = judge_samples(problems, samples, Path(folder, "right"), options, recipe.programs)
    failed = {row["key"]: row["outcome"] for row in results if row["outcome"] != Outcome.passed}
    return faults | {key: f"its reference ends in {outcome}" for key, outcome in failed.items()}


def _hollow_problems(recipe: Recipe, problems: list[Problem], folder: Path, options: EvalOptions) -> dict[str, str]:
    options.on_step("running references with broken bodies")
    texts = {problem.key: text for problem in problems if (text := broken_reference(problem)) is not None}
    breakable = [problem for problem in problems if problem.key in texts]
    if not breakable:
        return {}
    samples = generate_samples(breakable, KnownCompleter("broken reference", texts), _GREEDY, folder)
    results = judge_samples(breakable, samples, folder, options, recipe.programs)
    return {result["key"]: _HOLLOW for result in results if result["outcome"] == Outcome.passed}
