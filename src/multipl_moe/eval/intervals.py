"""Measured means with 95% intervals: the one bootstrap, and Wilson's interval where a task passes or not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

_LOW, _HIGH = 2.5, 97.5
_Z = NormalDist().inv_cdf(_HIGH / 100)


@dataclass(frozen=True)
class Estimate:
    """A measured mean, or a change of one, and its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of_draws(cls, value: float, draws: np.ndarray) -> "Estimate":
        """The interval that holds the middle 95% of (samples,) values of resampled data."""
        return cls(value, *np.percentile(draws, [_LOW, _HIGH]).tolist())


@dataclass(frozen=True)
class TaskScores:
    """One number for each task of a set, such as the share of its samples that passed.

    Attributes:
        values: the numbers.
        clusters: for each task the cluster that it belongs to; the same problem in several languages shares one.
    """

    values: Sequence[float]
    clusters: Sequence[str]

    @property
    def mean(self) -> float:
        """Mean over the tasks."""
        return float(np.mean(self.values))


def resample(num_units: int, samples: int, generator: np.random.Generator) -> np.ndarray:
    """(samples, num_units) indices: in each row as many units as there are, drawn with replacement."""
    return generator.integers(num_units, size=(samples, num_units))


def wilson(passed: float, tasks: int) -> Estimate:
    """Wilson's score interval (1927) of a binomial rate: it has a width even where all or none passed."""
    rate, square = passed / tasks, _Z**2 / tasks
    centre = (rate + square / 2) / (1 + square)
    margin = _Z / (1 + square) * math.sqrt(rate * (1 - rate) / tasks + square / (4 * tasks))
    return Estimate(rate, max(min(centre - margin, rate), 0.0), min(max(centre + margin, rate), 1.0))


def estimate_rate(scores: TaskScores, *, samples: int, seed: int) -> Estimate:
    """Mean of one set of tasks, whose values lie between 0 and 1.

    Independent tasks that pass or not, as with one sample each, are a binomial; anything else is resampled by cluster.
    """
    binomial = all(value in (0.0, 1.0) for value in scores.values)
    if binomial and len(set(scores.clusters)) == len(scores.clusters):
        return wilson(sum(scores.values), len(scores.values))
    return _resampled_rate([[scores]], samples, seed)


def estimate_mean_rate(languages: Sequence[Sequence[TaskScores]], *, samples: int, seed: int) -> Estimate:
    """Mean over languages of the mean over a language's sets, of values between 0 and 1; of one set, its rate."""
    if len(languages) == 1 and len(languages[0]) == 1:
        return estimate_rate(languages[0][0], samples=samples, seed=seed)
    return _resampled_rate(languages, samples, seed)


def estimate_difference(languages: Sequence[Sequence[TaskScores]], *, samples: int, seed: int) -> Estimate:
    """Mean of paired differences, after - before of each task, resampled by cluster (Miller 2024, arXiv 2411.00640)."""
    return Estimate.of_draws(mean_of_languages(languages), bootstrap_means(languages, samples=samples, seed=seed))


def mean_of_languages(languages: Sequence[Sequence[TaskScores]]) -> float:
    """Languages weigh alike, and so do the sets of a language, however many tasks they have."""
    return float(np.mean([np.mean([scores.mean for scores in sets]) for sets in languages]))


def bootstrap_means(languages: Sequence[Sequence[TaskScores]], *, samples: int, seed: int) -> np.ndarray:
    """(samples,) values of `mean_of_languages`, given the sets of each, with whole clusters resampled.

    A problem that is hard in one language is hard in others; drawing it in all languages at once keeps that.
    """
    position = {name: index for index, name in enumerate(_clusters(languages))}
    counts = _cluster_counts(len(position), samples, seed)
    means = [np.mean([_weighted_means(scores, counts, position) for scores in sets], axis=0) for sets in languages]
    return np.mean(means, axis=0)


def _resampled_rate(languages: Sequence[Sequence[TaskScores]], samples: int, seed: int) -> Estimate:
    """The mean with its bootstrap interval.

    Where all tasks score alike, resampling sees no spread although few tasks prove little: the interval is then
    Wilson's with the clusters as tasks, the widest that so many numbers between 0 and 1 can have.
    """
    estimate = estimate_difference(languages, samples=samples, seed=seed)
    if estimate.high - estimate.low < 1e-12:
        clusters = len(_clusters(languages))
        return wilson(estimate.value * clusters, clusters)
    return estimate


@lru_cache(maxsize=4)
def _cluster_counts(num_clusters: int, samples: int, seed: int) -> np.ndarray:
    """(samples, num_clusters) how often each cluster is drawn; a verdict asks for the same draws many times."""
    drawn = resample(num_clusters, samples, np.random.default_rng(seed))
    places = drawn + num_clusters * np.arange(samples)[:, None]
    counts = np.bincount(places.ravel(), minlength=samples * num_clusters)
    return counts.reshape(samples, num_clusters).astype(np.float64)


def _clusters(languages: Sequence[Sequence[TaskScores]]) -> list[str]:
    return sorted({name for sets in languages for scores in sets for name in scores.clusters})


def _weighted_means(scores: TaskScores, counts: np.ndarray, position: dict[str, int]) -> np.ndarray:
    """(samples,) means of a set's tasks; a draw without any of its tasks says nothing new and keeps the mean."""
    weights = counts[:, [position[name] for name in scores.clusters]]
    totals = weights.sum(axis=1)
    sums = weights @ np.asarray(scores.values, dtype=float)
    return np.where(totals > 0, sums / np.maximum(totals, 1), scores.mean)
