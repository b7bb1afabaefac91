"""Programs that work: a model completes problems, its programs are run in the sandbox, and the verdict is drawn.

The folder of an evaluation holds samples.jsonl, results.jsonl, details.jsonl, what `Ways.on_verdict` writes, and
metrics.json. Every step goes on with what an interrupted run left there.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.codegen.samples import ORIGIN_FILE, Place
from multipl_moe.errors import ConfigError
from multipl_moe.eval.judging import judge_samples, read_results
from multipl_moe.eval.pass_at_k import require_samples
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.judge.preflight import LanguageCheck, preflight
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.own import add_languages
from multipl_moe.problems.benchmarks import read_benchmark
from multipl_moe.problems.forms import program_of, tests_run
from multipl_moe.problems.problem import Problem
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.versions import environment

Complete = Callable[[Sequence[Problem], Path, Callable[[int, int], None]], Mapping[Place, Completion]]
"""Makes the samples of problems into a folder and tells of its progress: a model, an endpoint, or a file."""

_NO_TESTS = "its tests hold no assertion"


@dataclass(frozen=True)
class Ways:
    """How an evaluation is carried out; none of it changes a verdict.

    Attributes:
        unsafe: run programs without the sandbox.
        on_step: told what begins.
        on_progress: called with what is done of the step and what there is to do.
        on_checks: told what the preflight found, before anything is generated.
        on_verdict: writes the pages (`report.programs`): folder, exam, metrics, and folder of the model before. Called
            before metrics.json, the sign that all is there, is written.
    """

    unsafe: bool = False
    on_step: Callable[[str], None] = lambda title: None
    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_checks: Callable[[Mapping[str, LanguageCheck]], None] = lambda checks: None
    on_verdict: Callable[[Path, "Exam", dict[str, Any], Path | None], None] = lambda *verdict: None
    toolbox: Toolbox = field(default_factory=Toolbox)


@dataclass(frozen=True)
class Exam:
    """What a model is evaluated on.

    Attributes:
        problems: all that were asked for.
        not_scored: languages that cannot be judged here, and why.
        flags: problems whose tests prove nothing, by key, and why.
    """

    problems: list[Problem]
    not_scored: dict[str, str]
    flags: dict[str, str]

    @property
    def scored(self) -> list[Problem]:
        """Problems in languages that can be judged."""
        return [problem for problem in self.problems if problem.language not in self.not_scored]

    def only(self, keys: Collection[str]) -> "Exam":
        """The same exam with the problems of these keys alone; what is not scored stays named."""
        kept = [problem for problem in self.problems if problem.key in keys or problem.language in self.not_scored]
        return replace(self, problems=kept)

    @property
    def benchmarks(self) -> set[str]:
        """Names of the sets that the problems come from."""
        return {problem.benchmark for problem in self.problems}

    @property
    def unscored(self) -> list[Problem]:
        """The other ones."""
        return [problem for problem in self.problems if problem.language in self.not_scored]


def prepare_exam(recipe: Recipe, ways: Ways, problems: list[Problem] | None = None) -> Exam:
    """Read the problems and try the toolchains that they need, before anything costs time.

    Args:
        recipe: programs are used.
        ways: how it is carried out.
        problems: instead of those that the recipe names.

    Raises:
        ConfigError: a benchmark cannot be read, or no language of the problems can be judged here.
    """
    problems = read_problems(recipe) if problems is None else problems
    flags = {problem.key: _NO_TESTS for problem in problems if tests_run(problem) == 0}
    return Exam(problems, _unfit_languages(problems, ways), flags)


def read_problems(recipe: Recipe) -> list[Problem]:
    """The problems of the recipe's benchmarks, in the languages that it names.

    Raises:
        ConfigError: a benchmark cannot be read, or a problem comes from two of them.
    """
    chosen = recipe.programs
    add_languages(recipe.own_languages)
    problems: dict[str, Problem] = {}
    for spec in chosen.benchmarks:
        found = read_benchmark(spec, chosen.languages, official_stops=chosen.official_stops)
        for problem in _first_of_each_language(found, chosen.problems_per_language):
            if problem.key in problems:
                raise ConfigError(f"programs.benchmarks: {problem.key} comes from two of them; name each set once")
            problems[problem.key] = problem
    return list(problems.values())


def _first_of_each_language(problems: Sequence[Problem], count: int | None) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    for problem in problems:
        seen[problem.language] += 1
        if count is None or seen[problem.language] <= count:
            yield problem


def _unfit_languages(problems: Sequence[Problem], ways: Ways) -> dict[str, str]:
    wants: dict[str, set[str]] = {}
    for problem in problems:
        program = program_of(problem, problem.reference or "", Nonce(0, 0))
        wants.setdefault(problem.language, set()).update(program.wants)
    ways.on_step("trying the toolchains")
    checks = preflight(wants, wants=wants, unsafe=ways.unsafe, toolbox=ways.toolbox)
    ways.on_checks(checks)
    unfit = {name: check.problem for name, check in checks.items() if check.problem is not None}
    if len(unfit) == len(checks):
        raise ConfigError([f"{name}: cannot be judged here: {reason}" for name, reason in unfit.items()])
    return unfit


def evaluate_programs(
    recipe: Recipe,
    exam: Exam,
    complete: Complete,
    name: str,
    output: Path,
    *,
    against: Path | None,
    ways: Ways,
    decontamination: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The verdict on a model's programs, also written to `output` with all that it rests on.

    Args:
        recipe: programs, learn, keep, eval and seed are used.
        exam: what `prepare_exam` made.
        complete: makes the samples.
        name: of the model, for the report.
        output: folder of this evaluation, existing.
        against: folder of an earlier evaluation on the same problems, of the model before.
        ways: how it is carried out.
        decontamination: by benchmark, whether the text that the model was trained on was checked for its problems.

    Raises:
        UserError: the model cannot write, or `against` lacks results.
    """
    before = None if against is None else _results_of(against, exam.scored)
    ways.on_step("writing programs")
    samples = complete(exam.scored, output, ways.on_progress)
    require_samples(recipe.programs.pass_at, len(samples) // len(exam.scored))
    if against is not None:
        _require_same_problems(output, against)
    ways.on_step("running programs")
    results = judge_samples(
        exam.scored,
        samples,
        output,
        workers=recipe.programs.workers,
        unsafe=ways.unsafe,
        toolbox=ways.toolbox,
        on_progress=ways.on_progress,
    )
    settings = _verdict_settings(recipe, exam)
    if before is None:
        verdict = build_verdict(exam.problems, results, settings)
    else:
        verdict = judge_against(exam.problems, before, results, settings)
    metrics = {"model": name, "benchmarks": recipe.programs.benchmarks, **verdict, "seed": recipe.seed}
    metrics["did_not_fit"] = sorted({key for (key, _), sample in samples.items() if _did_not_fit(sample)})
    metrics["decontamination"] = dict(decontamination or {})
    metrics["environment"] = environment()
    ways.on_verdict(output, exam, metrics, against)
    write_json(output / "metrics.json", metrics)
    return metrics


def _did_not_fit(sample: Completion) -> bool:
    """Whether the model could not read the prompt: it counts as an answer that fails, and is named."""
    return sample.text == "" and sample.finish == Finish.length


def _verdict_settings(recipe: Recipe, exam: Exam) -> VerdictSettings:
    return VerdictSettings(
        roles=recipe.languages,
        pass_at=None if recipe.programs.pass_at is None else tuple(recipe.programs.pass_at),
        not_scored=exam.not_scored,
        flags=exam.flags,
        bootstrap_samples=recipe.eval.bootstrap_samples,
        seed=recipe.seed,
    )


def _results_of(folder: Path, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    try:
        results = read_results(folder)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--against: {folder} holds no results of an evaluation ({error}); give a folder that "
            "`multipl-moe eval --metric pass` wrote"
        ) from error
    wanted = {problem.key for problem in problems}
    found = [result for result in results if result["key"] in wanted]
    if missing := sorted(wanted - {result["key"] for result in found}):
        raise ConfigError(
            f"--against: {folder} has no result of {len(missing)} of the problems, such as {missing[0]}; "
            "evaluate both models on the same benchmarks and languages"
        )
    return found


def _require_same_problems(output: Path, against: Path) -> None:
    """Raise ConfigError where a set of problems was another one when the model before was evaluated."""
    now, then = (read_json(folder / ORIGIN_FILE)["problems"] for folder in (output, against))
    changed = sorted(name for name, digest in now.items() if then.get(name, digest) != digest)
    if changed:
        raise ConfigError(
            f"--against: {against} was evaluated on other problems or stop strings of {', '.join(changed)}; "
            "evaluate both models on the same ones"
        )
