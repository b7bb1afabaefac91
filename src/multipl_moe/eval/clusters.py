"""Means over tasks of which some come as one: the same problem in several languages is a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

_ROUNDING = 1e-12


@dataclass(frozen=True)
class TaskScores:
    """One number for each task of a set, such as the share of its samples that passed, and each task's cluster."""

    values: Sequence[float]
    clusters: Sequence[str]

    @property
    def mean(self) -> float:
        """Mean over the tasks."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class ClusteredMean:
    """A mean over cells (the tasks of one set in one language) that share clusters, and how sure it is.

    Where values have several draws, arrays have their shape first.

    Attributes:
        weight: its part of a larger mean, from 0 to 1.
        value: () the mean.
        shares: (clusters,) what each cluster adds to it.
        num_clusters: how many there are, or of unlike weights how many alike ones are worth as much (Kish 1965).
        variance: () of the mean, with clusters drawn independently: "CR2" of Bell and McCaffrey 2002. Infinite where a
            single cluster shows no spread.
        degrees: Satterthwaite's degrees of freedom of that variance; one less than the clusters, where all weigh alike.
    """

    weight: float
    value: np.ndarray
    shares: np.ndarray
    num_clusters: float
    variance: np.ndarray
    degrees: float


def mean_of_languages(languages: Sequence[Sequence[TaskScores]]) -> float:
    """Languages weigh alike, and so do the sets of a language, however many tasks they have."""
    return float(np.mean([np.mean([scores.mean for scores in sets]) for sets in languages]))


def independent_means(languages: Sequence[Sequence[TaskScores]]) -> list[ClusteredMean]:
    """The parts of `mean_of_languages`, given the sets of each, that have no cluster in common; they add up to it."""
    cells = [scores for sets in languages for scores in sets]
    weights_C = np.array([1 / (len(languages) * len(sets)) for sets in languages for _ in sets])
    counts_GC, sums_GC = _by_cluster(cells)
    num_parts, part_C = connected_components(counts_GC.T @ counts_GC > 0)
    means = []
    for part in range(num_parts):
        chosen_C = part_C == part
        inside_G = counts_GC[:, chosen_C].any(axis=1)
        inside = np.ix_(inside_G, chosen_C)
        means.append(clustered_mean(weights_C[chosen_C], counts_GC[inside], sums_GC[inside]))
    return means


def clustered_mean(weights_C: np.ndarray, counts_GC: np.ndarray, sums_GC: np.ndarray) -> ClusteredMean:
    """The mean of cells whose tasks weigh alike in each; of several draws, `sums_GC` may have more axes before.

    A cell whose tasks are all of one cluster cannot show how they spread: it is compared with the whole mean.
    `counts_GC` are numbers of tasks of each cluster and cell, `sums_GC` the sums of their values.
    """
    weight, sizes_C = float(weights_C.sum()), counts_GC.sum(axis=0)
    per_task_C = weights_C / weight / sizes_C
    shares_G = sums_GC @ per_task_C
    shares_G = np.where(np.abs(shares_G) < _ROUNDING, 0, shares_G)  # gains and losses that cancel
    value = np.where(shares_G.any(axis=-1), sums_GC.sum(axis=-2) @ per_task_C, 0)
    num_clusters = 1 / float(np.square(counts_GC @ per_task_C).sum())
    if len(counts_GC) == 1:
        return ClusteredMean(weight, value, shares_G, num_clusters, np.full(value.shape, np.inf), 1)
    is_lonely_C = counts_GC.max(axis=0) == sizes_C
    centres_C = np.where(is_lonely_C, value[..., None], sums_GC.sum(axis=-2) / sizes_C)
    # Residuals are too small, as each cluster has drawn the mean towards itself; CR2 makes up for that.
    scale_GC = per_task_C / np.sqrt(1 - np.where(is_lonely_C, 0, counts_GC / sizes_C))
    residuals_G = (scale_GC * (sums_GC - counts_GC * centres_C[..., None, :])).sum(axis=-1)
    drawn_GC = np.where(is_lonely_C, 0, scale_GC * counts_GC / np.sqrt(sizes_C))
    covariance_GG = np.diag((scale_GC**2 * counts_GC).sum(axis=1)) - drawn_GC @ drawn_GC.T
    degrees = min(float(np.trace(covariance_GG) ** 2 / np.square(covariance_GG).sum()), len(counts_GC) - 1)
    return ClusteredMean(weight, value, shares_G, num_clusters, np.square(residuals_G).sum(axis=-1), degrees)


def _by_cluster(cells: Sequence[TaskScores]) -> tuple[np.ndarray, np.ndarray]:
    """(clusters, cells) number of tasks, and sum of their values."""
    names, rows = np.unique([name for scores in cells for name in scores.clusters], return_inverse=True)
    places = rows, np.repeat(np.arange(len(cells)), [len(scores.clusters) for scores in cells])
    counts_GC, sums_GC = np.zeros((2, len(names), len(cells)))
    np.add.at(counts_GC, places, 1)
    np.add.at(sums_GC, places, np.concatenate([scores.values for scores in cells]))
    return counts_GC, sums_GC
