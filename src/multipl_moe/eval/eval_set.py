"""What a model's programs are judged on, read and tried before anything costs time, and how that is carried out."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from multipl_judge.judge.preflight import LanguageCheck, preflight
from multipl_judge.judge.sandbox import Sandbox, SandboxError
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.own import add_languages
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.forms import program_of, tests_run
from multipl_judge.problems.problem import Problem
from multipl_moe.errors import ConfigError, UserError
from multipl_moe.eval.valid_tests import invalid_tests, may_be_invalid
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.verdict import ProgramsResult

_NO_TESTS = "its tests hold no assertion"


@dataclass(frozen=True)
class EvalOptions:
    """How an evaluation is carried out; none of it changes a verdict.

    Attributes:
        unsafe: run programs without the sandbox.
        on_progress: called with what is done of the step and what there is to do.
        on_checks: told what the preflight found, before anything is generated, where some language can be judged.
        on_verdict: writes the pages (`report.programs`): folder, set, result, and folder of the model before. Called
            before metrics.json, the sign that all is there, is written.
    """

    unsafe: bool = False
    on_step: Callable[[str], None] = lambda title: None
    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_checks: Callable[[Mapping[str, LanguageCheck]], None] = lambda checks: None
    on_verdict: Callable[[Path, "EvalSet", ProgramsResult, Path | None], None] = lambda *verdict: None
    toolbox: Toolbox = field(default_factory=Toolbox)

    @property
    def ways(self) -> dict[str, Any]:
        """What of it the judge's own functions are told."""
        return {"unsafe": self.unsafe, "toolbox": self.toolbox}


@dataclass(frozen=True)
class EvalSet:
    """What a model is evaluated on.

    Attributes:
        problems: all that were asked for, but for those that are left out.
        not_scored: languages that cannot be judged here, and why.
        flags: problems whose tests prove nothing, by key, and why.
        left_out: problems whose tests are no program, and why.
    """

    problems: list[Problem]
    not_scored: dict[str, str]
    flags: dict[str, str]
    left_out: list[tuple[Problem, str]] = field(default_factory=list[tuple[Problem, str]])

    @property
    def scored(self) -> list[Problem]:
        """Problems in languages that can be judged."""
        return [problem for problem in self.problems if problem.language not in self.not_scored]

    @property
    def unscored(self) -> list[Problem]:
        """The other ones, and those that are left out."""
        others = [problem for problem in self.problems if problem.language in self.not_scored]
        return [*others, *(problem for problem, _ in self.left_out)]

    @property
    def benchmarks(self) -> set[str]:
        """Names of the sets that the problems come from."""
        return {problem.benchmark for problem in self.problems}

    def only(self, keys: Collection[str]) -> "EvalSet":
        """The problems of these keys alone; what is not scored stays named."""
        kept = [problem for problem in self.problems if problem.key in keys or problem.language in self.not_scored]
        return replace(self, problems=kept)


def prepare_eval_set(
    recipe: Recipe,
    options: EvalOptions,
    problems: list[Problem] | None = None,
    require: Callable[[list[Problem], list[Problem]], object] | None = None,
    named: str = "programs.benchmarks",
) -> EvalSet:
    """Read the problems, or take those given instead of the recipe's, and try the toolchains that they need.

    Before that, which may take minutes, `require` gets the problems whose toolchain is here, and the others. The key
    `named` is where the recipe names them.

    Raises:
        ConfigError: a benchmark cannot be read, no language of the problems can be judged here, no problem's tests are
            valid, or what `require` says.
    """
    problems = read_problems(recipe) if problems is None else problems
    if require is not None:
        here = _languages_here({problem.language for problem in problems}, options)
        found = [one for one in problems if one.language in here and not may_be_invalid(one)]
        if found:
            require(found, [problem for problem in problems if problem not in found])
    versions, unfit = _check_languages(problems, options)
    scored = [problem for problem in problems if problem.language not in unfit]
    if any(map(may_be_invalid, scored)):
        options.on_step("trying the tests")
    ways = {"on_progress": options.on_progress, "workers": recipe.programs.workers, **options.ways}
    said = invalid_tests(scored, versions, **ways)
    left_out = [(problem, said[problem.key]) for problem in problems if problem.key in said]
    problems = [problem for problem in problems if problem.key not in said]
    if all(problem.language in unfit for problem in problems):
        raise ConfigError(f"{named}: no problem's tests are valid; {left_out[0][0].key}: {left_out[0][1]}")
    flags = {problem.key: _NO_TESTS for problem in problems if tests_run(problem) == 0}
    return EvalSet(problems, unfit, flags, left_out)


def read_problems(recipe: Recipe) -> list[Problem]:
    """The problems of the recipe's benchmarks, in the languages that it names.

    Raises:
        ConfigError: a benchmark cannot be read, or a problem comes from two of them.
    """
    chosen = recipe.programs
    add_languages(recipe.own_languages)
    problems: dict[str, Problem] = {}
    for spec in chosen.benchmarks:
        seen: Counter[str] = Counter()
        for problem in read_benchmark(spec, chosen.languages):
            seen[problem.language] += 1
            if chosen.problems_per_language is not None and seen[problem.language] > chosen.problems_per_language:
                continue
            if problem.key in problems:
                raise ConfigError(f"programs.benchmarks: {problem.key} comes from two of them; name each set once")
            problems[problem.key] = problem
    return list(problems.values())


def _languages_here(languages: Collection[str], options: EvalOptions) -> set[str]:
    found: set[str] = set()
    with Sandbox(unsafe=options.unsafe) as sandbox:
        for language in languages:
            with suppress(UserError, SandboxError):  # told by the preflight
                found.add(options.toolbox.installed(language, sandbox).language)
    return found


def _check_languages(problems: list[Problem], options: EvalOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the toolchains by language, and why languages cannot be judged."""
    wants: dict[str, set[str]] = {}
    for problem in problems:
        program = program_of(problem, problem.reference or "", Nonce(0, 0))
        wants.setdefault(problem.language, set()).update(program.wants)
    options.on_step("trying the toolchains")
    checks = preflight(wants, wants=wants, **options.ways)
    unfit = {name: check.problem for name, check in checks.items() if check.problem is not None}
    if len(unfit) == len(checks):
        raise ConfigError([f"{name}: cannot be judged here: {reason}" for name, reason in unfit.items()])
    options.on_checks(checks)
    return {name: check.version for name, check in checks.items()}, unfit
