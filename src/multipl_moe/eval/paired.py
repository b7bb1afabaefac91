"""Two models on the same tasks: the paired difference, and whether it is more than noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from multipl_moe.eval.clusters import TaskScores
from multipl_moe.eval.intervals import Estimate, estimate_difference


@dataclass(frozen=True)
class PairedDifference:
    """What changed between two models.

    Attributes:
        difference: mean of after - before over the tasks, with its 95% interval.
        num_tasks: tasks that both models were judged on.
        gained, lost: tasks whose score rose, fell.
    """

    difference: Estimate
    num_tasks: int
    gained: int
    lost: int

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds 0: two draws of one model differ by as much in more than 5 of 100 cases."""
        return self.difference.low <= 0 <= self.difference.high


def compare_tasks(languages: Sequence[Sequence[tuple[TaskScores, TaskScores]]]) -> PairedDifference:
    """Difference of the means over languages; of each language come the (before, after) of each of its sets.

    The two sides of a set hold the same tasks in the same order.
    """
    changes = [[_changes(before, after) for before, after in sets] for sets in languages]
    values = [value for sets in changes for scores in sets for value in scores.values]
    gained, lost = sum(value > 0 for value in values), sum(value < 0 for value in values)
    return PairedDifference(estimate_difference(changes), len(values), gained, lost)


def _changes(before: TaskScores, after: TaskScores) -> TaskScores:
    if list(before.clusters) != list(after.clusters):
        raise ValueError("the two sides of a paired comparison must hold the same tasks in the same order")
    return TaskScores([new - old for old, new in zip(before.values, after.values, strict=True)], after.clusters)
