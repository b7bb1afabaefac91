"""The verdict on a model: how many of its programs work, by language and benchmark, and how sure that is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.table import language_title
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.problem import Problem
from multipl_moe.eval.clusters import TaskScores
from multipl_moe.eval.intervals import estimate_rate
from multipl_moe.eval.tally import Result, TaskTally, pass_at_k, require_samples, tally_results
from multipl_moe.runs.verdict import ByBenchmark, Cell, MeanRates, Rate, Sample, Verdict

USUAL_PASS_AT = (1, 5, 10, 100)
ROLES = ("learn", "keep")
ALL = "all"
Cells = dict[str, dict[str, list[TaskTally]]]
"""Tallies by language and benchmark."""
_Tasks = TypeVar("_Tasks")
_Cell = TypeVar("_Cell")


@dataclass(frozen=True)
class VerdictSettings:
    """How results are summed up.

    Attributes:
        roles: "learn" or "keep" by language; others count only in the mean over all.
        titles: of languages; others have that of the package's table.
        pass_at: the k of pass@k; None: those of `USUAL_PASS_AT` that every problem has the samples for.
        not_scored: languages whose results are not looked at, and why.
        flags: problems that prove nothing, such as those with hollow tests, and why; they are scored all the same.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    pass_at: tuple[int, ...] | None = None
    not_scored: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)


def build_verdict(problems: Sequence[Problem], results: Sequence[Result], settings: VerdictSettings) -> Verdict:
    """Sum up the results (lines of results.jsonl) of one model on these problems.

    Raises:
        ConfigError: results and problems do not fit, or there are too few samples for a k.
    """
    tallies = tally_scored(problems, results, settings)
    ks = _chosen_ks(tallies, settings.pass_at)
    cells = group_cells(tallies)
    known = {problem.key for problem in problems}
    return Verdict(
        pass_at=list(ks),
        languages=describe_cells(cells, settings, lambda tasks: _describe(tasks, ks)),
        means={
            role: MeanRates(languages=names, pass_at_k=_means([cells[name] for name in names], ks))
            for role, names in mean_groups(cells, settings.roles).items()
        },
        not_scored=dict(settings.not_scored) | _without_counted_sample(tallies, cells),
        left_out=[Sample(key=tally.problem.key, sample=sample) for tally in tallies for sample in tally.left_out],
        flags={key: reason for key, reason in settings.flags.items() if key in known},
    )


def tally_scored(problems: Sequence[Problem], results: Sequence[Result], settings: VerdictSettings) -> list[TaskTally]:
    """Tallies of the problems in languages that are scored."""
    scored = [problem for problem in problems if problem.language not in settings.not_scored]
    refused = {problem.key for problem in problems} - {problem.key for problem in scored}
    return tally_results(scored, [result for result in results if result["key"] not in refused])


def group_cells(tallies: Sequence[TaskTally]) -> Cells:
    """Tallies by language and benchmark, without tasks whose samples the judge failed on one and all."""
    cells: Cells = {}
    for tally in tallies:
        if tally.num_samples:
            cells.setdefault(tally.problem.language, {}).setdefault(tally.problem.benchmark, []).append(tally)
    return cells


def describe_cells(
    cells: Mapping[str, Mapping[str, _Tasks]], settings: VerdictSettings, describe: Callable[[_Tasks], _Cell]
) -> dict[str, ByBenchmark[_Cell]]:
    """What is said of each cell, with the titles and roles of the languages."""
    return {
        language: ByBenchmark(
            title=settings.titles.get(language) or language_title(language),
            role=settings.roles.get(language),
            benchmarks={name: describe(cell) for name, cell in benchmarks.items()},
        )
        for language, benchmarks in cells.items()
    }


def mean_groups(cells: Mapping[str, object], roles: Mapping[str, str]) -> dict[str, list[str]]:
    """Languages that each mean is taken over: those to learn, those to keep, and all."""
    groups = {role: [name for name in cells if roles.get(name) == role] for role in ROLES}
    return {role: names for role, names in (groups | {ALL: list(cells)}).items() if names}


def task_scores(tasks: Sequence[TaskTally], k: int = 1) -> TaskScores:
    """pass@k of each task that has k samples."""
    enough = [task for task in tasks if task.num_samples >= k]
    values = [pass_at_k(task.num_samples, task.num_passed, k) for task in enough]
    return TaskScores(values, [task.cluster for task in enough])


def _chosen_ks(tallies: Sequence[TaskTally], asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """The k to report; samples that the judge failed on were drawn, so they do not make a k too large."""
    fewest = min((tally.outcomes.total() for tally in tallies), default=None)
    if asked is None:
        return tuple(k for k in USUAL_PASS_AT if k <= (fewest or 1))
    if fewest is not None:
        require_samples(asked, fewest)
    return tuple(sorted({1, *asked}))


def built_scores(tasks: Sequence[TaskTally]) -> TaskScores:
    """Of each task the share of its samples that parse or compile."""
    return TaskScores([task.num_built / task.num_samples for task in tasks], [task.cluster for task in tasks])


def tells_built(problem: Problem) -> bool:
    """Whether the toolchain of a problem tells programs that do not parse or compile from those that fail."""
    toolchain = TOOLCHAINS.get(problem.language)
    if toolchain is None:
        return False
    runs_files = toolchain.test is not None and problem.form == "framework"  # as they are, without the compiler
    return bool(toolchain.check or toolchain.uncompiled or (toolchain.compile and not runs_files))


def _describe(tasks: Sequence[TaskTally], ks: Sequence[int]) -> Cell:
    is_told = tells_built(tasks[0].problem)
    total = sum((task.outcomes for task in tasks), Counter[Outcome]())
    num_samples, num_built = sum(task.num_samples for task in tasks), sum(task.num_built for task in tasks)
    scores = {k: task_scores(tasks, k) for k in ks}
    rates = {k: _rate([[values]]) for k, values in scores.items() if values.values}
    ways = {str(way): total[way] for way in (Outcome.runtime_error, Outcome.wrong_answer, Outcome.tests_not_completed)}
    return Cell(
        tasks=len(tasks),
        samples=num_samples,
        pass_at_k={k: rate.but(tasks=len(scores[k].values)) for k, rate in rates.items()},
        parses_or_compiles=_rate([[built_scores(tasks)]]) if is_told else None,
        passes=rates[1],
        outcomes={str(outcome): total[outcome] for outcome in Outcome},
        failures={  # from the earliest to the last; None: not told from runtime_error. With passes they are all samples
            "not_built": num_samples - num_built if is_told else None,
            **ways,
            "limits": num_built - total[Outcome.passed] - sum(ways.values()),
        },
    )


def _rate(languages: Sequence[Sequence[TaskScores]]) -> Rate:
    estimate = estimate_rate(languages)
    return Rate(value=estimate.value, interval=estimate.interval)


def _means(languages: Sequence[dict[str, list[TaskTally]]], ks: Sequence[int]) -> dict[int, Rate]:
    means = {}
    for k in ks:
        scores = [[task_scores(tasks, k) for tasks in benchmarks.values()] for benchmarks in languages]
        if all(cell.values for cells in scores for cell in cells):
            means[k] = _rate(scores)
    return means


def _without_counted_sample(tallies: Sequence[TaskTally], cells: Cells) -> dict[str, str]:
    """Languages in which the judge failed on every sample of a whole benchmark: said, for a 0 would be a lie."""
    lost: dict[str, dict[str, None]] = {}
    for tally in tallies:
        if tally.problem.benchmark not in cells.get(tally.problem.language, {}):
            lost.setdefault(tally.problem.language, {})[tally.problem.benchmark] = None
    return {name: f"the judge failed on every sample of {', '.join(benchmarks)}" for name, benchmarks in lost.items()}
