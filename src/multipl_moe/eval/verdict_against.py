"""Two models judged on the same problems: what changed, by language and benchmark and as means."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from multipl_judge.problems.problem import Problem
from multipl_moe.errors import ConfigError
from multipl_moe.eval.clusters import TaskScores, mean_of_languages
from multipl_moe.eval.paired import PairedDifference, compare_tasks
from multipl_moe.eval.tally import Result, TaskTally
from multipl_moe.eval.verdict import (
    VerdictSettings,
    build_verdict,
    built_scores,
    describe_cells,
    group_cells,
    mean_groups,
    tally_scored,
    task_scores,
    tells_built,
)

_Pair = tuple[TaskScores, TaskScores]


def judge_against(
    problems: Sequence[Problem], before: Sequence[Result], after: Sequence[Result], settings: VerdictSettings
) -> dict[str, Any]:
    """The verdict on `after`, that on `before` under the key "before", and under "comparison" what changed.

    Differences are after - before of pass@1: above 0 is better. k is chosen for each model by itself unless asked for.

    Raises:
        ConfigError: results do not fit the problems, there are too few samples, or no task counts for both models.
    """
    return build_verdict(problems, after, settings) | {
        "before": build_verdict(problems, before, settings),
        "comparison": compare_verdicts(problems, before, after, settings),
    }


def compare_verdicts(
    problems: Sequence[Problem], before: Sequence[Result], after: Sequence[Result], settings: VerdictSettings
) -> dict[str, Any]:
    """Paired differences of pass@1, and of what parses or compiles, over the tasks that count for both models, as JSON.

    Raises:
        ConfigError: as `judge_against`.
    """
    old = {tally.problem.key: tally for tally in tally_scored(problems, before, settings)}
    new = tally_scored(problems, after, settings)
    shared = [tally for tally in new if tally.num_samples and old[tally.problem.key].num_samples]
    if not shared:
        raise ConfigError("comparison: no problem counts for both models; judge both on the same problems")
    counted = {tally.problem.key for tally in shared}
    cells = group_cells(shared)
    pairs = {
        language: {name: _pair(tasks, old, task_scores) for name, tasks in benchmarks.items()}
        for language, benchmarks in cells.items()
    }
    return {
        "languages": describe_cells(cells, settings, partial(_compare_cell, old)),
        "means": {
            role: {"languages": names} | _compare_means([list(pairs[name].values()) for name in names])
            for role, names in mean_groups(pairs, settings.roles).items()
        },
        "unpaired": [tally.problem.key for tally in new if tally.problem.key not in counted],
    }


def _pair(
    tasks: Sequence[TaskTally], old: Mapping[str, TaskTally], score: Callable[[Sequence[TaskTally]], TaskScores]
) -> _Pair:
    return score([old[task.problem.key] for task in tasks]), score(tasks)


def _compare_cell(old: Mapping[str, TaskTally], tasks: Sequence[TaskTally]) -> dict[str, Any]:
    built = None
    if tells_built(tasks[0].problem):
        change = _compare([[_pair(tasks, old, built_scores)]], "")
        built = {key: change[key] for key in ("before", "after", "difference", "interval")}
    return _compare([[_pair(tasks, old, task_scores)]], "") | {"parses_or_compiles": built}


def _compare_means(languages: list[list[_Pair]]) -> dict[str, Any]:
    return _compare(languages, f" in {len(languages)} language{'s' if len(languages) > 1 else ''}")


def _compare(languages: list[list[_Pair]], where: str) -> dict[str, Any]:
    change = compare_tasks(languages)
    before, after = (mean_of_languages([[pair[side] for pair in sets] for sets in languages]) for side in (0, 1))
    return {
        "tasks": change.num_tasks,
        "before": before,
        "after": after,
        "difference": change.difference.value,
        "interval": [change.difference.low, change.difference.high],
        "gained": change.gained,
        "lost": change.lost,
        "is_noise": change.is_noise,
        "sentence": _sentence(change, before, after, f"{change.num_tasks} tasks{where}"),
    }


def _sentence(change: PairedDifference, before: float, after: float, extent: str) -> str:
    """What the difference is worth, for a reader who skips the statistics."""
    what = f"{100 * change.difference.value:+.1f} points ({100 * before:.1f}% to {100 * after:.1f}%)"
    if not change.is_noise:
        return f"{what} is more than noise: {change.gained} tasks gained and {change.lost} lost, of {extent}"
    low, high = 100 * change.difference.low, 100 * change.difference.high
    return f"{what} is within noise: of {extent}, anything from {low:+.1f} to {high:+.1f} may be true"
