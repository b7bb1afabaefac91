"""Training sequences: windows of packed token files, and a mixture of several languages' windows."""

import zlib
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from multipl_moe.errors import ConfigError, CorpusError

IGNORED_LABEL = -100


class PackedTokens(Dataset[dict[str, Tensor]]):
    """The consecutive windows of T tokens of one language's .ds files; what is left at a file's end is not used.

    datatrove's own dataset finds positions by reading the index from its start on each step backwards, and its open
    files are shared by forked workers, which then read each other's bytes. Here files are memory-mapped and document
    ends are found by bisection: any order costs the same, in any number of workers.

    Args:
        folder: holds *.ds and *.ds.index, as in tokens/train/LANGUAGE of a corpus.
        sequence_tokens: T, at least 2.

    Raises:
        CorpusError: no such files, broken ones, or fewer than T tokens in them.
    """

    def __init__(self, folder: Path, sequence_tokens: int):
        self.folder = folder
        self.sequence_tokens = sequence_tokens
        files = sorted(folder.glob("*.ds"))
        if not files:
            raise CorpusError(f"{folder}: no tokens (*.ds); build the corpus with `multipl-moe corpus`")
        self._document_ends = [_read_document_ends(file) for file in files]
        self._tokens = [_map_tokens(file, int(ends[-1])) for file, ends in zip(files, self._document_ends, strict=True)]
        self._first_windows = np.cumsum([0] + [len(tokens) // sequence_tokens for tokens in self._tokens]).tolist()
        if len(self) == 0:
            total = sum(len(tokens) for tokens in self._tokens)
            raise CorpusError(
                f"{folder}: {total} tokens are less than one sequence of {sequence_tokens}; "
                "lower train.sequence_tokens or add files"
            )

    def __len__(self) -> int:
        return self._first_windows[-1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One window.

        Returns:
            input_ids (T,); position_ids (T,), 0 at the window's start and at each document's first token; labels (T,),
            the input ids with -100 at position 0, which nothing before it in the same document can predict.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        file = bisect_right(self._first_windows, index) - 1
        start = (index - self._first_windows[file]) * self.sequence_tokens
        input_ids = torch.from_numpy(self._tokens[file][start : start + self.sequence_tokens].astype(np.int64))
        position_ids = self._positions(self._document_ends[file], start)
        labels = input_ids.masked_fill(position_ids == 0, IGNORED_LABEL)
        return {"input_ids": input_ids, "position_ids": position_ids, "labels": labels}

    def __reduce__(self) -> tuple[type, tuple[Path, int]]:
        """Workers that are not forked open the files again rather than receive their content."""
        return PackedTokens, (self.folder, self.sequence_tokens)

    def _positions(self, document_ends: np.ndarray, start: int) -> Tensor:
        first, last = np.searchsorted(document_ends, [start + 1, start + self.sequence_tokens])
        document_starts = np.concatenate([[0], document_ends[first:last] - start])
        lengths = np.diff(document_starts, append=self.sequence_tokens)
        return torch.from_numpy(np.arange(self.sequence_tokens) - np.repeat(document_starts, lengths))


def _read_document_ends(file: Path) -> np.ndarray:
    index = file.with_name(f"{file.name}.index")
    ends = np.fromfile(index, np.uint64).astype(np.int64) if index.is_file() else np.empty(0, np.int64)
    if ends.size == 0:
        raise CorpusError(f"{index}: missing or empty; build the corpus again")
    return ends


def _map_tokens(file: Path, num_tokens: int) -> np.ndarray:
    """The tokens, 2 bytes each up to 65,536 ids and else 4: whichever makes the file as long as its index says."""
    sizes = {num_tokens * 2: np.uint16, num_tokens * 4: np.uint32}
    dtype = sizes.get(file.stat().st_size)
    if num_tokens == 0 or dtype is None:
        raise CorpusError(f"{file}: does not have the {num_tokens} tokens of its index; build the corpus again")
    return np.memmap(file, dtype, mode="r")


class MixtureDataset(Dataset[dict[str, Tensor]]):
    """Sequences of several languages, interleaved by weight in an order that the seed fixes.

    After any number of sequences each language has had its weight's share to within one sequence, so a run cut short
    saw the same mixture. Within a language sequences come in random order, all of them before any comes again, in a
    new order each time; the order does not change when other languages join.

    Args:
        datasets: a dataset with a length for each language.
        weights: weight of each language, at least 0; they need not sum to 1. Those of weight 0 are left out.
        num_sequences: length of the mixture.
        seed: decides the order.

    Attributes:
        epochs: passes over each language's data, as a fraction.

    Raises:
        ConfigError: a weight is negative, all are 0, or one belongs to no dataset.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset[dict[str, Tensor]]],
        weights: Mapping[str, float],
        num_sequences: int,
        seed: int,
    ):
        _check_weights(datasets, weights)
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

    def language_of(self, index: int) -> str:
        """The language whose turn it is."""
        return self.languages[self._languages_N[index]]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The item of the language whose turn it is."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._datasets[self._languages_N[index]][int(self._items_N[index])]


def _check_weights(datasets: Mapping[str, object], weights: Mapping[str, float]) -> None:
    problems = [f"train.weights: {name}: no tokens of this language" for name in weights if name not in datasets]
    problems += [f"train.weights: {name}: {weight} is negative" for name, weight in weights.items() if not weight >= 0]
    if not problems and not any(weights.values()):
        problems = ["train.weights: give at least one language a weight above 0"]
    if problems:
        raise ConfigError(problems)


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
