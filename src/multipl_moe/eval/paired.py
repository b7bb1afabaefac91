"""Two models on the same tasks: the paired difference, and whether it is more than noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from multipl_moe.eval.intervals import Estimate, TaskScores, estimate_difference

_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class PairedDifference:
    """What changed between two models.

    Attributes:
        difference: mean of after - before over the tasks, with its 95% interval.
        num_tasks: tasks that both models were judged on.
        gained, lost: tasks whose score rose, fell.
        mcnemar_p: exact two-sided p-value; None unless every task passes or fails as a whole, as with one sample.
        noise_below: a difference closer to 0 than this is mostly noise, at so many tasks.
    """

    difference: Estimate
    num_tasks: int
    gained: int
    lost: int
    mcnemar_p: float | None
    noise_below: float

    @property
    def is_noise(self) -> bool:
        """Whether chance alone would often make a difference as large."""
        return abs(self.difference.value) < self.noise_below or self.difference.value == 0


def compare_tasks(before: TaskScores, after: TaskScores, *, samples: int, seed: int) -> PairedDifference:
    """Compare two models on one set of tasks, the same in the same order.

    Where each task passes or fails as a whole the exact McNemar test decides, else the bootstrap's interval.
    """
    return compare_means([[(before, after)]], samples=samples, seed=seed)


def compare_means(
    languages: Sequence[Sequence[tuple[TaskScores, TaskScores]]], *, samples: int, seed: int
) -> PairedDifference:
    """Difference of the means over languages; the tasks of all languages are resampled together, by cluster.

    Of each language come the (before, after) of each of its sets. Of a single set it is `compare_tasks`.
    """
    changes = [[_changes(before, after) for before, after in sets] for sets in languages]
    cells = [scores for sets in changes for scores in sets]
    values = [value for scores in cells for value in scores.values]
    gained, lost = sum(value > 0 for value in values), sum(value < 0 for value in values)
    difference = estimate_difference(changes, samples=samples, seed=seed)
    p_value, noise_below = None, _noise_below(difference, cells)
    if len(cells) == 1 and all(value in (0.0, 1.0) for scores in languages[0][0] for value in scores.values):
        p_value, noise_below = mcnemar(gained, lost), least_significant(gained + lost) / len(values)
    return PairedDifference(difference, len(values), gained, lost, p_value, noise_below)


def mcnemar(gained: int, lost: int) -> float:
    """Exact McNemar test: two-sided binomial p-value of `gained` against `lost` tasks, each as likely (1947)."""
    num_changed = gained + lost
    tail = sum(math.comb(num_changed, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**num_changed)


def least_significant(num_changed: int) -> int:
    """The least |gained - lost| that McNemar's test finds significant when `num_changed` tasks differ.

    Where they are too few for any, the least number of tasks that could be: all of them gained.
    """
    while mcnemar(num_changed, 0) >= _SIGNIFICANCE:
        num_changed += 1
    lost = max(lost for lost in range(num_changed // 2 + 1) if mcnemar(num_changed - lost, lost) < _SIGNIFICANCE)
    return num_changed - 2 * lost


def _changes(before: TaskScores, after: TaskScores) -> TaskScores:
    if list(before.clusters) != list(after.clusters):
        raise ValueError("the two sides of a paired comparison must hold the same tasks in the same order")
    return TaskScores([new - old for old, new in zip(before.values, after.values, strict=True)], after.clusters)


def _noise_below(difference: Estimate, cells: Sequence[TaskScores]) -> float:
    """How far the interval reaches from the estimate towards 0: it holds 0 exactly where this is the larger.

    A handful of changed clusters, all of one direction, gives an interval without 0 although no test of signs would
    find it significant; the bound is then what so many changed clusters as are needed would have made of it.
    """
    down, up = difference.value - difference.low, difference.high - difference.value
    reach = max(down, up) if difference.value == 0 else down if difference.value > 0 else up
    changed = {name for cell in cells for name, value in zip(cell.clusters, cell.values, strict=True) if value}
    needed = least_significant(0)
    if not changed:
        return needed / len({name for cell in cells for name in cell.clusters})
    if len(changed) < needed:
        return max(reach, abs(difference.value) * needed / len(changed))
    return reach
