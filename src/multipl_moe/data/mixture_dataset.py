"""A mixture of several languages' training sequences: how much of each, and in which order."""

import hashlib
import zlib
from collections.abc import Mapping

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from multipl_moe.errors import ConfigError

_MOST_SEQUENCES = 10**8  # of which the order takes 1.6 GB and some minutes


def require_an_order(num_sequences: int) -> None:
    """Raise ConfigError where a run reads more sequences than can be put in order."""
    if num_sequences > _MOST_SEQUENCES:
        raise ConfigError(
            f"train.tokens, train.skip_tokens: {num_sequences:,} sequences are more than the {_MOST_SEQUENCES:,} "
            "whose order can be drawn; lower them"
        )


class MixtureDataset(Dataset[dict[str, Tensor]]):
    """Sequences of several languages, interleaved by weight in an order that the seed fixes.

    After any number of sequences each language has had its weight's share to within one sequence, so a run cut short
    saw the same mixture. Within a language sequences come in random order, all of them before any comes again, in a
    new order each time; the order does not change when other languages join.

    Args:
        datasets: a dataset with a length for each language that has a weight.
        weights: of each language in sequences, at least 0; they need not sum to 1. Those of 0 are left out.

    Attributes:
        epochs: passes over each language's data, as a fraction.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset[dict[str, Tensor]]],
        weights: Mapping[str, float],
        num_sequences: int,
        seed: int,
    ):
        require_an_order(num_sequences)
        self.languages = [language for language, weight in weights.items() if weight > 0]
        self._datasets = [datasets[language] for language in self.languages]
        self._languages_N = _interleave(np.array([weights[language] for language in self.languages]), num_sequences)
        self._items_N = np.empty(num_sequences, np.int64)
        self.epochs: dict[str, float] = {}
        for number, language in enumerate(self.languages):
            chosen = self._languages_N == number
            length = len(self._datasets[number])  # pyright: ignore[reportArgumentType]
            self._items_N[chosen] = _shuffled(length, int(chosen.sum()), seed, language)
            self.epochs[language] = int(chosen.sum()) / length

    def __len__(self) -> int:
        return len(self._items_N)

    @property
    def sha256(self) -> str:
        """Hash of the order: the language and the item of every sequence."""
        digest = hashlib.sha256(" ".join(self.languages).encode())
        digest.update(self._languages_N.tobytes())
        digest.update(self._items_N.tobytes())
        return digest.hexdigest()

    def items(self, language: str, begin: int, end: int) -> np.ndarray:
        """(M,) items of a language among the sequences begin..end-1, in order."""
        chosen = self._languages_N[begin:end] == self.languages.index(language)
        return self._items_N[begin:end][chosen]

    def language_of(self, index: int) -> str:
        """The language whose turn it is."""
        return self.languages[self._languages_N[index]]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The item of the language whose turn it is."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._datasets[self._languages_N[index]][int(self._items_N[index])]


def weights_by_size(sizes: Mapping[str, int], temperature: float, mean: float) -> dict[str, float]:
    """Weights in proportion to size ** (1 / temperature), whose mean is `mean`; sizes are above 0.

    Temperature 1 gives each language its share of all text; the higher it is, the more alike the weights are.
    """
    largest = max(sizes.values(), default=1)
    scaled = {name: (size / largest) ** (1 / temperature) for name, size in sizes.items()}
    total = sum(scaled.values())
    return {name: mean * len(scaled) * value / total for name, value in scaled.items()}


def shares_within(weights: Mapping[str, float], most: Mapping[str, float]) -> dict[str, float]:
    """Shares of the whole in proportion to the weights (above 0), none above its bound in `most`.

    What a bound takes from a language goes to the others by their weights, until these reach their own. The shares sum
    to 1 if the bounds allow it; else all of them are at their bounds.
    """
    bounded: dict[str, float] = {}
    while True:
        free = {name: weight for name, weight in weights.items() if name not in bounded}
        scale = (1 - sum(bounded.values())) / sum(free.values()) if free else 0.0
        above = {name: most[name] for name, weight in free.items() if weight * scale > most[name]}
        if not above:
            shares = bounded | {name: weight * scale for name, weight in free.items()}
            return {name: shares[name] for name in weights}
        bounded |= above


def _interleave(weights_L: np.ndarray, num_sequences: int) -> np.ndarray:
    """(N,) number of the language of each sequence: Tijdeman's solution of the chairman assignment problem.

    Of the languages whose share has run far enough ahead of their count, the one goes next that must go soonest to
    keep count and share within 1 - 1/(2L - 2) of each other. Taking the largest lag instead exceeds 1 for many
    languages.
    """
    shares_L = weights_L / weights_L.sum()
    slack = 1 - 1 / max(2 * len(shares_L) - 2, 1)
    counts_L = np.zeros(len(shares_L))
    order_N = np.empty(num_sequences, np.int64)
    for index in range(num_sequences):
        lag_L = (index + 1) * shares_L - counts_L
        due_L = np.where(lag_L >= 1 - slack - 1e-9, (slack - lag_L) / shares_L, np.inf)
        order_N[index] = chosen = int(due_L.argmin())
        counts_L[chosen] += 1
    return order_N


def _shuffled(length: int, number: int, seed: int, language: str) -> np.ndarray:
    """(number,) items: whole passes, each in its own random order, the last one cut."""
    passes = [
        np.random.default_rng([seed, zlib.crc32(language.encode()), epoch]).permutation(length)
        for epoch in range(-(-number // length))
    ]
    return np.concatenate([*passes, np.empty(0, np.int64)])[:number]
