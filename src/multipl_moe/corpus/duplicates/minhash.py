"""Signatures that near duplicates are told by."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupBuckets, MinhashDedupSignature
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WhitespaceTokenizer

_WORD = re.compile(r"\w+|\S")

MINHASH = MinhashConfig(
    n_grams=5,
    # 20 x 8 hashes meet with probability 0.99 at a similarity of 0.82 (2% of the words changed), 0.07 at 0.5.
    num_buckets=20,
    hashes_per_bucket=8,
    # In code case, digits and punctuation tell programs apart.
    norm_config=TextNormConfig(
        lowercase=False, norm_whitespace=False, remove_punctuation=False, norm_unicode_diacritics=False,
        norm_numbers=False,
    ),
)  # fmt: skip


_MULTIPLIERS = np.array([3, 5, 7, 11, 13], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
_CHUNK_SHINGLES = 256
_MAX_WORDS = 1 << 18


class CodeSignature(MinhashDedupSignature):
    """datatrove's signatures of a text, of the words of source code and at several times the speed.

    Words are identifiers, numbers and single signs. Each is hashed once, and the hash of an n-gram is a sum of those of
    its words, each times a constant of its place, of which the upper 32 bits stay. What stands for a random permutation
    is x -> ax + b modulo 2^32 with odd a: of hashes, which are random already, its minimum is as good as that modulo a
    prime, and processors do eight such products at once. The n-grams go through in chunks that the processor's cache
    holds; datatrove's array of all of them takes half a gigabyte for a text of half a megabyte.
    """

    def __init__(self, folder: Path):
        unused: Any = WhitespaceTokenizer()  # which needs no download; `get_shingles` finds the words
        super().__init__(str(folder), MINHASH, unused)
        self._hash_of = _WordHashes()

    @property
    def parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """a and b of each hash, (1, number of hashes)."""
        if self._parameters is None:
            random = np.random.RandomState(self.config.seed)
            shape = (1, self.num_hashes)
            a, b = (random.randint(0, 2**32 - 1, dtype=np.uint32, size=shape) for _ in range(2))
            self._parameters = (a | np.uint32(1), b)
        return self._parameters

    def get_shingles(self, text: str) -> np.ndarray:
        """Hashes of the different n-grams of words, (N, 1), uint32."""
        words = _WORD.findall(text)
        num_shingles = len(words) - self.config.n_grams + 1
        if num_shingles < 1:
            return np.empty((0, 1), np.uint32)
        if len(self._hash_of) > _MAX_WORDS:
            self._hash_of.clear()
        hashes = np.fromiter(map(self._hash_of.__getitem__, words), np.uint64, len(words))
        shingles = np.zeros(num_shingles, np.uint64)
        for place, multiplier in enumerate(_MULTIPLIERS):
            shingles += hashes[place : place + num_shingles] * multiplier
        upper = np.sort((shingles >> np.uint64(32)).astype(np.uint32))  # np.unique takes seven times as long
        return upper[np.append(True, upper[1:] != upper[:-1])].reshape(-1, 1)

    def get_signature(self, shingles: np.ndarray) -> list[list[int]]:
        """The least value of each hash over all shingles, by bucket."""
        a, b = self.parameters
        least = np.full(self.num_hashes, 2**32 - 1, np.uint32)
        for begin in range(0, len(shingles), _CHUNK_SHINGLES):
            values = shingles[begin : begin + _CHUNK_SHINGLES] * a
            values += b
            np.minimum(least, values.min(axis=0), out=least)
        return least.reshape(self.config.num_buckets, -1).tolist()


class _WordHashes(dict[str, int]):
    def __missing__(self, word: str) -> int:
        self[word] = value = xxhash.xxh3_64_intdigest(word)
        return value


class BucketMatches(MinhashDedupBuckets):
    """datatrove's search of the buckets for signatures that meet, in any number of tasks up to that of the buckets."""

    def __init__(self, signatures: Path, matches: Path):
        super().__init__(str(signatures), str(matches), config=MINHASH, lines_to_buffer=1000)

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Search this task's buckets one after the other."""
        for bucket in range(rank, self.config.num_buckets, world_size):
            super().run(data, bucket, self.config.num_buckets)
