"""Two models on the same tasks: the paired difference, whether it is more than noise, and that in words."""

from collections.abc import Sequence

from multipl_moe.eval.clusters import TaskScores, mean_of_languages
from multipl_moe.eval.intervals import estimate_difference
from multipl_moe.runs.verdict import Difference

Pair = tuple[TaskScores, TaskScores]
"""Before and after, of the same tasks in the same order."""


def compare_tasks(languages: Sequence[Sequence[Pair]], where: str = "") -> Difference:
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
