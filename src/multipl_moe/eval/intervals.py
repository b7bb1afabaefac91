"""Measured means with 95% intervals: a bootstrap for texts, and for programs what holds at few tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from multipl_moe.eval.clusters import ClusteredMean, TaskScores, independent_means, mean_of_languages

_LOW = 0.025  # quantiles of a 95% interval
_HIGH = 1 - _LOW
_UNSEEN = 0.1  # tasks
_TINY = 1e-300  # instead of 0, where the result is not used or has no end


@dataclass(frozen=True)
class Estimate:
    """A measured mean, or a change of one, and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Its ends."""
        return self.low, self.high

    @classmethod
    def of_draws(cls, value: float, draws: np.ndarray) -> "Estimate":
        """The interval that holds the middle 95% of (samples,) values of resampled data."""
        return cls(value, *np.quantile(draws, [_LOW, _HIGH]).tolist())


def resampled(
    ratio: Callable[[np.ndarray], np.ndarray], num_units: int, samples: int, generator: np.random.Generator
) -> np.ndarray:
    """(samples,) values of resampled units, spread about that of all of them as few units ask for.

    A plain bootstrap is too sure of few: of 5 files its 95% interval holds the true value 84 times in 100, of 2 files
    52 times. So the draws lie wider by sqrt(n / (n - 1)) and by Student's quantile over the normal one, as in the
    expanded percentile interval (Hesterberg 2015, "What Teachers Should Know About the Bootstrap"). One unit does not
    say how units differ, so its draws lie 1 below and above its value: 100% of a relative change.

    Args:
        ratio: value of chosen units, from (samples, num_units) indices to (samples,).
        num_units: files or texts, drawn with replacement.
    """
    value = ratio(np.arange(num_units)[None])
    if num_units == 1:
        return value + generator.choice([-1.0, 1.0], samples)
    degrees = num_units - 1
    width = np.sqrt(num_units / degrees) * special.stdtrit(degrees, _HIGH) / special.ndtri(_HIGH)
    return value + width * (ratio(generator.integers(num_units, size=(samples, num_units))) - value)


def estimate_rate(languages: Sequence[Sequence[TaskScores]]) -> Estimate:
    """Mean over languages of the mean over a language's sets, of values between 0 and 1."""
    return Estimate(mean_of_languages(languages), *map(float, rate_ends(independent_means(languages))))


def estimate_difference(languages: Sequence[Sequence[TaskScores]]) -> Estimate:
    """Mean of paired differences, after - before of each task, between -1 and 1."""
    means = independent_means(languages)
    value = mean_of_languages(languages) if any(mean.value for mean in means) else 0.0
    return Estimate(value, *map(float, difference_ends(means)))


def rate_ends(means: Sequence[ClusteredMean]) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the interval of a rate that is the sum of these independent parts."""
    ends = [_rate_ends(mean) for mean in means]
    rate = _sum(means)
    low = rate - _combined(means, [mean.value - low for mean, (low, _) in zip(means, ends, strict=True)])
    high = rate + _combined(means, [high - mean.value for mean, (_, high) in zip(means, ends, strict=True)])
    return np.maximum(low, 0), np.minimum(high, 1)


def difference_ends(means: Sequence[ClusteredMean]) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the interval of a difference that is the sum of these independent parts.

    Whether it holds 0 is Student's paired test over clusters (of greedy samples McNemar's, but for the correction for
    few tasks). The ends that do not decide this are those of a test whose variance is at least what a difference of
    that size needs, as in Wilson's interval of a rate and Tango's of a difference (1998): tasks of which few have
    changed yet do not show how much the next one might.
    """
    return -_upper_end(means, -1), _upper_end(means, 1)


def _sum(means: Sequence[ClusteredMean]) -> np.ndarray:
    return np.sum([mean.weight * mean.value for mean in means], axis=0)


def _combined(means: Sequence[ClusteredMean], reaches: Sequence[np.ndarray]) -> np.ndarray:
    """How far the interval of a sum reaches, given how far those of its independent parts do (Zou and Donner 2008)."""
    return np.sqrt(np.sum([(mean.weight * reach) ** 2 for mean, reach in zip(means, reaches, strict=True)], axis=0))


def _rate_ends(mean: ClusteredMean) -> tuple[np.ndarray, np.ndarray]:
    """Ends by Korn and Graubard 1998: Clopper and Pearson's for as many tasks as would make a mean as sure as this one.

    They are at least the clusters, each of which then passes or fails as a whole: the most that tasks can differ. One
    greedy sample a task is just that. They are at most what clusters that pass, or fail, as the fewer do, could show:
    tasks that score alike by chance prove little.
    """
    rate, least = mean.value, mean.num_clusters
    most = least * (1 + least * np.minimum(rate, 1 - rate))
    as_sure = rate * (1 - rate) / np.maximum(mean.variance, _TINY) * (special.ndtri(_HIGH) / _student(mean)) ** 2
    tasks = np.clip(as_sure, least, most)
    passed, failed = rate * tasks, (1 - rate) * tasks
    low = np.where(passed > 0, special.betaincinv(np.maximum(passed, _TINY), failed + 1, _LOW), 0)
    high = np.where(failed > 0, special.betaincinv(passed + 1, np.maximum(failed, _TINY), _HIGH), 1)
    return np.minimum(low, rate), np.maximum(high, rate)


def _upper_end(means: Sequence[ClusteredMean], sign: int) -> np.ndarray:
    """The upper end of a difference; with -1 for `sign` that of its negative."""
    value = sign * _sum(means)
    tested = value + _combined(means, [_tested_reach(mean) for mean in means])
    widened = value + _combined(means, [_widened_reach(mean, sign * mean.value) for mean in means])
    return np.minimum(np.where(tested < 0, tested, widened), 1)


def _tested_reach(mean: ClusteredMean) -> np.ndarray:
    """Half the width of Student's interval, which is no surer than if one of the clusters that changed had not."""
    num_changed = np.count_nonzero(mean.shares, axis=-1)
    least = np.square(mean.shares).sum(axis=-1) / np.maximum(num_changed, 1)
    return np.minimum(_student(mean) * np.sqrt(np.maximum(mean.variance, least)), 2)


def _widened_reach(mean: ClusteredMean, value: np.ndarray) -> np.ndarray:
    """How far from `value` differences x reach that (x - value)^2 <= t^2 V(x) holds for.

    Changes d that were seen have the usual size s = sum of d^2 / sum of |d|. A difference x made of such alone, the
    least that varies, has the variance V(x) = (x s - x^2) / clusters. An unseen tenth of a task that changed as a whole
    counts into s.
    """
    sizes_G = np.abs(mean.shares) * mean.num_clusters
    size = (np.square(sizes_G).sum(axis=-1) + _UNSEEN) / (sizes_G.sum(axis=-1) + _UNSEEN)
    ratio = _student(mean) ** 2 / mean.num_clusters
    half = value + ratio * size / 2
    root = half**2 - (1 + ratio) * value**2
    end = np.where((half > 0) & (root >= 0), (half + np.sqrt(np.maximum(root, 0))) / (1 + ratio), value)
    return np.maximum(_tested_reach(mean), end - value)


def _student(mean: ClusteredMean) -> float:
    return float(special.stdtrit(mean.degrees, _HIGH))
