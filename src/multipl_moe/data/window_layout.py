"""Packing by windows: each file's tokens are cut every T tokens, wherever that falls in a document."""

import numpy as np

from multipl_moe.data.packing import PackingCounts


class WindowLayout:
    """The consecutive windows of T tokens of each file; what is left at a file's end is lost, and nothing is padded.

    Args:
        document_ends_D: (D,) place after each document's last token.
        file_ends_F: (F,) the same of each file.
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
        """See `Layout`: the window's documents, or what of them lies in it."""
        file = int(np.searchsorted(self._first_windows, sequence, side="right")) - 1
        start = self._file_starts_F[file] + (sequence - self._first_windows[file]) * self._size
        first, last = np.searchsorted(self._document_ends_D, [start + 1, start + self._size])
        starts_P = np.concatenate([[start], self._document_ends_D[first:last]])
        return starts_P, np.diff(starts_P, append=start + self._size)

    def num_tokens(self, sequences_N: np.ndarray) -> np.ndarray:
        """See `Layout`: T of each."""
        return np.full(len(sequences_N), self._size)

    def _num_cut(self, windows_F: np.ndarray, file_ends_F: np.ndarray) -> int:
        """Documents that lie in two windows, or in what is lost."""
        starts_D = np.concatenate([[0], self._document_ends_D[:-1]])
        file_D = np.searchsorted(file_ends_F, starts_D, side="right").clip(max=len(file_ends_F) - 1)
        first_D = (starts_D - self._file_starts_F[file_D]) // self._size
        last_D = (self._document_ends_D - 1 - self._file_starts_F[file_D]) // self._size
        return int(((first_D != last_D) | (last_D >= windows_F[file_D])).sum())
