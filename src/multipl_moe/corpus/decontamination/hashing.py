"""Hashes of words and of n-grams of words, whole arrays at a time: a corpus is read at memory speed, not at Python's.

All arithmetic is modulo 2^64. A word's hash is that of its bytes alone, wherever it stands, so that equal words have
equal hashes; an n-gram's is cut to 32 bits, of which an index of some 100,000 hits one by chance in 40,000 n-grams.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_SPREAD = np.uint64(0xBF58476D1CE4E5B9)


def word_hashes(data: Bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> Hashes:
    """The hash of each word: `data` are the bytes of a text, in which words lie from `begins` to `ends`, in order."""
    powers, inverses = _powers(_capacity(len(data)))
    sums = np.empty(len(data) + 1, np.uint64)
    sums[0] = 0
    np.cumsum((data + np.uint64(1)) * powers[: len(data)], out=sums[1:])
    return spread((sums[ends] - sums[begins]) * inverses[begins])


def ngram_hashes(
    words: Hashes, size: int, *, previous: NDArray[np.int64] | None = None, salt: int = 0
) -> NDArray[np.uint32]:
    """The hash of each `size` consecutive words, given by their hashes; none if there are fewer.

    Args:
        previous: at each word's place, where it stood before, or -1. An n-gram then depends on where in it a word
            stood before, and on the word itself only if it did not.
        salt: n-grams of different salts differ.
    """
    count = len(words) - size + 1
    if count < 1:
        return np.empty(0, np.uint32)
    powers, inverses = _powers(_capacity(len(words)))
    powers = powers[: len(words)]
    if previous is None:
        totals = _window_sums(words * powers, size)
    else:
        again = np.flatnonzero(previous >= 0)
        before = previous[again]
        coded = words.copy()
        coded[again] = spread((again - before).astype(np.uint64))
        totals = _window_sums(coded * powers, size)
        # In the n-grams that begin after `before` the word has not stood before: there it counts as itself.
        changes = np.zeros(len(words) + 1, np.uint64)
        difference = (words[again] - coded[again]) * powers[again]
        changes[before + 1] += difference
        changes[again + 1] -= difference
        totals += np.cumsum(changes, dtype=np.uint64)[:count]
    mixed = spread(totals * inverses[:count] + np.uint64(salt))
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _window_sums(values: Hashes, size: int) -> Hashes:
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums[size:] - sums[:-size]


def spread(values: Hashes) -> Hashes:
    """Values whose bits all depend on all bits."""
    values = (values ^ (values >> np.uint64(29))) * _SPREAD
    return values ^ (values >> np.uint64(32))


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    tables = []
    for factor in (_BASE, _INVERSE):
        steps = np.full(count, factor, np.uint64)
        steps[0] = 1
        tables.append(np.cumprod(steps, dtype=np.uint64))
    return tables[0], tables[1]


def _capacity(length: int) -> int:
    """A table's length: a power of two that holds as much, so that few tables are made."""
    return max(1 << 16, 1 << length.bit_length())
