"""Packing: which pieces of documents share a sequence of T tokens, and what that costs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Packing = Literal["windows", "best_fit", "whole"]
PACKINGS: tuple[Packing, ...] = ("windows", "best_fit")
"""Those that a recipe chooses among; answers are packed whole."""


@dataclass(frozen=True)
class PackingCounts:
    """What a packing makes of a language's tokens; every token is in one sequence once, or lost.

    Attributes:
        sequence_tokens: T.
        tokens: tokens of all documents, those that begin and close each one included.
        sequences: sequences of T places.
        padding_tokens: places of all sequences that hold no token.
        lost_tokens: tokens that are in no sequence.
        cut_documents: those that are not whole in one sequence.
    """

    sequence_tokens: int
    tokens: int
    sequences: int
    padding_tokens: int
    lost_tokens: int
    documents: int
    cut_documents: int

    @property
    def padding_share(self) -> float:
        """Of all places."""
        return self.padding_tokens / max(self.sequences * self.sequence_tokens, 1)

    @property
    def lost_share(self) -> float:
        """Of all tokens."""
        return self.lost_tokens / max(self.tokens, 1)

    @property
    def cut_share(self) -> float:
        """Of all documents."""
        return self.cut_documents / max(self.documents, 1)


class WindowLayout:
    """The consecutive windows of T tokens of each file; what is left at a file's end is lost, and nothing is padded.

    Args:
        document_ends_D, file_ends_F: (D,) and (F,) place after each document's and each file's last token.
        sequence_tokens: T.
    """

    def __init__(self, document_ends_D: np.ndarray, file_ends_F: np.ndarray, sequence_tokens: int) -> None:
        self._document_ends_D, self._size = document_ends_D, sequence_tokens
        self._file_starts_F = np.concatenate([[0], file_ends_F[:-1]])
        windows_F = (file_ends_F - self._file_starts_F) // sequence_tokens
        self._first_windows = np.concatenate([[0], np.cumsum(windows_F)])
        tokens, sequences = int(file_ends_F[-1]), int(self._first_windows[-1])
        self.counts = PackingCounts(
            sequence_tokens=sequence_tokens,
            tokens=tokens,
            sequences=sequences,
            padding_tokens=0,
            lost_tokens=tokens - sequences * sequence_tokens,
            documents=len(document_ends_D),
            cut_documents=self._num_cut(windows_F, file_ends_F),
        )

    def pieces(self, sequence: int) -> tuple[np.ndarray, np.ndarray]:
        """(P,) places of the first tokens of a sequence's pieces, and their (P,) lengths, which sum to T."""
        file = int(np.searchsorted(self._first_windows, sequence, side="right")) - 1
        start = self._file_starts_F[file] + (sequence - self._first_windows[file]) * self._size
        first, last = np.searchsorted(self._document_ends_D, [start + 1, start + self._size])
        starts_P = np.concatenate([[start], self._document_ends_D[first:last]])
        return starts_P, np.diff(starts_P, append=start + self._size)

    def num_tokens(self, sequences_N: np.ndarray) -> np.ndarray:
        """(N,) tokens in each of these sequences."""
        return np.full(len(sequences_N), self._size)

    def _num_cut(self, windows_F: np.ndarray, file_ends_F: np.ndarray) -> int:
        """Documents that lie in two windows, or in what is lost."""
        starts_D = np.concatenate([[0], self._document_ends_D[:-1]])
        file_D = np.searchsorted(file_ends_F, starts_D, side="right").clip(max=len(file_ends_F) - 1)
        first_D = (starts_D - self._file_starts_F[file_D]) // self._size
        last_D = (self._document_ends_D - 1 - self._file_starts_F[file_D]) // self._size
        return int(((first_D != last_D) | (last_D >= windows_F[file_D])).sum())


class BestFitLayout:
    """Documents longer than T tokens are cut every T tokens; the pieces are packed by best-fit decreasing.

    No other document is cut (Ding et al. 2024, arXiv 2404.10830), and no token lost; without `cuts` the longer
    documents are left out instead. The places that stay free are padding at a sequence's end. Within a sequence pieces
    keep the order that they have in the corpus.

    Args:
        document_ends_D: (D,) place after each document's last token.
        sequence_tokens: T.
        cuts: whether longer documents are cut: an answer without its prompt, or its end, teaches what is wrong.
    """

    def __init__(self, document_ends_D: np.ndarray, sequence_tokens: int, cuts: bool = True) -> None:
        starts_D = np.concatenate([[0], document_ends_D[:-1]])
        lengths_D = document_ends_D - starts_D
        kept_D = cuts | (lengths_D <= sequence_tokens)
        starts_P, lengths_P = _cut(starts_D[kept_D], lengths_D[kept_D], sequence_tokens)
        sequence_P = best_fit_decreasing(lengths_P, sequence_tokens)
        order_P = np.argsort(sequence_P, kind="stable")
        sequences = int(sequence_P.max(initial=-1)) + 1
        self._starts_P, self._lengths_P = starts_P[order_P], lengths_P[order_P].astype(np.int32)
        self._first_pieces = np.searchsorted(sequence_P[order_P], np.arange(sequences + 1))
        tokens, packed = int(lengths_D.sum()), int(lengths_P.sum())
        self.counts = PackingCounts(
            sequence_tokens=sequence_tokens,
            tokens=tokens,
            sequences=sequences,
            padding_tokens=sequences * sequence_tokens - packed,
            lost_tokens=tokens - packed,
            documents=len(lengths_D),
            cut_documents=int((lengths_D > sequence_tokens).sum()),
        )

    def pieces(self, sequence: int) -> tuple[np.ndarray, np.ndarray]:
        """As of `WindowLayout`, but lengths sum to at most T."""
        chosen = slice(self._first_pieces[sequence], self._first_pieces[sequence + 1])
        return self._starts_P[chosen], self._lengths_P[chosen]

    def num_tokens(self, sequences_N: np.ndarray) -> np.ndarray:
        """(N,) tokens in each of these sequences, padding left out."""
        sums = np.concatenate([[0], np.cumsum(self._lengths_P, dtype=np.int64)])
        return sums[self._first_pieces[sequences_N + 1]] - sums[self._first_pieces[sequences_N]]


Layout = WindowLayout | BestFitLayout
"""Where the pieces of each sequence lie among the tokens of a language.

A piece is a document or a part of one, and nothing else is seen from it: positions begin at 0 in it.
"""


def best_fit_decreasing(lengths_P: np.ndarray, capacity: int) -> np.ndarray:
    """(P,) number of the bin of each item: the longest items first, each into the fullest bin that still has room.

    Of equal items the first goes first, and of bins with equal room the one that got it last is taken, so the result
    depends on nothing else. Bins are kept by the room that they have, and an integer with a bit for each room that
    occurs finds the least one that is enough: the time is that of P such operations on `capacity` bits.

    Args:
        lengths_P: (P,) sizes, each in 1..capacity.
        capacity: of a bin.
    """
    order_P = np.argsort(-lengths_P, kind="stable")
    bins_P = np.empty(len(lengths_P), np.int64)
    num_bins = int((lengths_P == capacity).sum())  # these fill a bin each, and come first
    bins_by_room: list[list[int]] = [[] for _ in range(capacity)]
    rooms = 0
    chosen = []
    for length in lengths_P[order_P[num_bins:]].tolist():
        enough = rooms >> length
        if enough:
            room = length + (enough & -enough).bit_length() - 1
            number = bins_by_room[room].pop()
            if not bins_by_room[room]:
                rooms ^= 1 << room
        else:
            room, number = capacity, num_bins
            num_bins += 1
        chosen.append(number)
        left = room - length
        if left:
            bins_by_room[left].append(number)
            rooms |= 1 << left
    bins_P[order_P] = np.concatenate([np.arange(len(lengths_P) - len(chosen)), np.array(chosen, np.int64)])
    return bins_P


def _cut(starts_D: np.ndarray, lengths_D: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(P,) starts and lengths of pieces of at most `size` tokens, in the order of their places."""
    pieces_D = -(-lengths_D // size)
    document_P = np.repeat(np.arange(len(lengths_D)), pieces_D)
    number_P = np.arange(len(document_P)) - np.repeat(np.cumsum(pieces_D) - pieces_D, pieces_D)
    starts_P = starts_D[document_P] + number_P * size
    return starts_P, np.minimum(lengths_D[document_P] - number_P * size, size)
