"""Two models judged on the same problems: what changed, by language and benchmark and as means, and that in words."""

from collections.abc import Callable, Sequence

from multipl_judge.problems.problem import Problem
from multipl_moe.errors import ConfigError
from multipl_moe.eval.clusters import TaskScores, mean_of_languages
from multipl_moe.eval.intervals import estimate_difference
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
from multipl_moe.runs.verdict import Difference, Shares, Verdict, VerdictComparison

_Pair = tuple[TaskScores, TaskScores]
"""Before and after, of the same tasks in the same order."""


def judge_against(
    problems: Sequence[Problem], before: Sequence[Result], after: Sequence[Result], settings: VerdictSettings
) -> Verdict:
    """The verdict on `after`, with that on `before` and what changed.

    That is paired differences, after - before (above 0 is better), of pass@1 and of what parses or compiles, over the
    tasks that count for both models. k is chosen for each model by itself unless asked for.

    Raises:
        ConfigError: results do not fit the problems, there are too few samples, or no task counts for both models.
    """
    verdict, verdict_before = (build_verdict(problems, results, settings) for results in (after, before))
    old = {tally.problem.key: tally for tally in tally_scored(problems, before, settings)}
    new = tally_scored(problems, after, settings)
    shared = [tally for tally in new if tally.num_samples and old[tally.problem.key].num_samples]
    if not shared:
        raise ConfigError("comparison: no problem counts for both models; judge both on the same problems")
    counted = {tally.problem.key for tally in shared}
    cells = group_cells(shared)

    def pair(tasks: Sequence[TaskTally], score: Callable[[Sequence[TaskTally]], TaskScores] = task_scores) -> _Pair:
        return score([old[task.problem.key] for task in tasks]), score(tasks)

    def of_cell(tasks: Sequence[TaskTally]) -> Difference:
        change = compare_tasks([[pair(tasks)]])
        if not tells_built(tasks[0].problem):
            return change
        return change.but(parses_or_compiles=Shares.narrowed(compare_tasks([[pair(tasks, built_scores)]])))

    def of_mean(names: list[str]) -> Difference:
        where = f" in {len(names)} language{'s' if len(names) > 1 else ''}"
        return compare_tasks([list(map(pair, cells[name].values())) for name in names], where).but(languages=names)

    comparison = VerdictComparison(
        languages=describe_cells(cells, settings, of_cell),
        means={role: of_mean(names) for role, names in mean_groups(cells, settings.roles).items()},
        unpaired=[tally.problem.key for tally in new if tally.problem.key not in counted],
    )
    return verdict.but(before=verdict_before, comparison=comparison)


def compare_tasks(languages: Sequence[Sequence[_Pair]], where: str = "") -> Difference:
    """Difference of the means over languages; of each language come the pairs of each of its sets.

    `where` ends the sentence that is told of it.
    """
    changes = [[_changes(before, after) for before, after in sets] for sets in languages]
    values = [value for sets in changes for scores in sets for value in scores.values]
    gained, lost = sum(value > 0 for value in values), sum(value < 0 for value in values)
    before, after = (mean_of_languages([[pair[side] for pair in sets] for sets in languages]) for side in (0, 1))
    change = estimate_difference(changes)
    low, high = (100 * end for end in change.interval)
    what = f"{100 * change.value:+.1f} points ({100 * before:.1f}% to {100 * after:.1f}%)"
    extent = f"{len(values)} tasks{where}"
    if is_noise := low <= 0 <= high:
        sentence = f"{what} is within noise: of {extent}, anything from {low:+.1f} to {high:+.1f} may be true"
    else:
        sentence = f"{what} is more than noise: {gained} tasks gained and {lost} lost, of {extent}"
    return Difference(
        tasks=len(values),
        before=before,
        after=after,
        difference=change.value,
        interval=change.interval,
        gained=gained,
        lost=lost,
        is_noise=is_noise,
        sentence=sentence,
    )


def _changes(before: TaskScores, after: TaskScores) -> TaskScores:
    if list(before.clusters) != list(after.clusters):
        raise ValueError("the two sides of a paired comparison must hold the same tasks in the same order")
    return TaskScores([new - old for old, new in zip(before.values, after.values, strict=True)], after.clusters)
