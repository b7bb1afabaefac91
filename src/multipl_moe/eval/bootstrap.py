"""Intervals for a change that was measured on files: paired bootstrap over the files."""

from dataclasses import dataclass

import numpy as np

from multipl_moe.eval.bits_per_byte import FileScore, bits_per_byte

_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Change:
    """A relative change and its 95% interval (-0.1 is ten percent fewer bits per byte)."""

    value: float
    low: float
    high: float


def relative_change(before: list[FileScore], after: list[FileScore], *, samples: int, seed: int) -> Change:
    """Change of bits per byte on the same files.

    Args:
        before, after: scores of the same files in the same order.
        samples: bootstrap resamples.
        seed: of the resampling.
    """
    draws = _resample(before, after, samples, np.random.default_rng(seed))
    value = bits_per_byte(after) / bits_per_byte(before) - 1
    return Change(value, *np.percentile(draws, [_LOW, _HIGH]).tolist())


def mean_relative_change(pairs: list[tuple[list[FileScore], list[FileScore]]], *, samples: int, seed: int) -> Change:
    """Mean over languages of the relative change; files are resampled within each language.

    Args:
        pairs: (before, after) of each language.
        samples: bootstrap resamples.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    draws = np.mean([_resample(before, after, samples, generator) for before, after in pairs], axis=0)
    value = float(np.mean([bits_per_byte(after) / bits_per_byte(before) - 1 for before, after in pairs]))
    return Change(value, *np.percentile(draws, [_LOW, _HIGH]).tolist())


def _resample(
    before: list[FileScore], after: list[FileScore], samples: int, generator: np.random.Generator
) -> np.ndarray:
    """(samples,) relative changes of bits per byte of resampled files."""
    if [score.path for score in before] != [score.path for score in after]:
        raise ValueError("the two sides of a paired comparison must hold the same files in the same order")
    chosen = generator.integers(len(before), size=(samples, len(before)))
    return _rates(after, chosen) / _rates(before, chosen) - 1


def _rates(scores: list[FileScore], chosen: np.ndarray) -> np.ndarray:
    """(samples,) bits per byte of the chosen files; models with other tokenizers may cut a file at other bytes."""
    totals = np.array([[score.bits, score.num_bytes] for score in scores])[chosen].sum(axis=1)
    return totals[:, 0] / totals[:, 1]
