"""Rows and members of archives, which can be read but once, made ready to be drawn in any order: they wait on disk."""

import heapq
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from multipl_moe.corpus.read.candidates import Candidate, unreadable
from multipl_moe.corpus.read.decoding import RefusedFileError


class EarliestRows:
    """Of the rows put in, those that can still be drawn within a budget: the memory taken is its, not the source's.

    A row is let go once the rows before it in the order of the draw fill the budget. Rows that will be refused for
    their size do not count; those that will be refused for their content do, so the draw may end that much short.
    Contents lie in a file without a name, which goes with this object, however the process ends. What was let go stays
    in it: of a source N times as large as the budget, in an order that is random to the draw, 1 + ln(N) budgets pass.

    Args:
        rank: place of a row in the draw; lower comes first.
        budget_bytes: bytes of all rows drawn; infinity keeps all rows.
        file_bytes: least and most bytes of a row that will be accepted.
        read: a row's content, which may be cut one byte beyond the most accepted; None if it is of another language.
            RefusedFileError where there is nothing to read.
        folder: where the contents lie, made if it is missing; None: the system's for temporary files.
    """

    def __init__(
        self,
        rank: Callable[[Candidate], int],
        budget_bytes: float,
        file_bytes: tuple[int, int],
        read: Callable[[Candidate], bytes | None],
        folder: Path | None = None,
    ):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.num_dropped = 0
        self._rank, self._budget_bytes, self._file_bytes, self._read = rank, budget_bytes, file_bytes, read
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._heap: list[tuple[int, int, int, Candidate]] = []
        self._bytes = self._num_put = self._end = 0

    def put(self, row: Candidate) -> None:
        """Add a row, reading it if it may be drawn, and let go of those that it pushes out."""
        rank = self._rank(row)
        if self._bytes > self._budget_bytes and -rank < self._heap[0][0]:
            self.num_dropped += 1
            return
        if (held := self._held(row)) is None:
            return
        least, largest = self._file_bytes
        counted = held.size if held.size is not None and least <= held.size <= largest else 0
        self._num_put += 1
        heapq.heappush(self._heap, (-rank, -self._num_put, counted, held))
        self._bytes += counted
        # One row beyond the budget stays, so that the draw sees that there was more.
        while self._bytes - self._heap[0][2] > self._budget_bytes:
            self._bytes -= heapq.heappop(self._heap)[2]
            self.num_dropped += 1

    def rows(self) -> list[Candidate]:
        """The rows that are left, in no particular order."""
        return [row for *_, row in self._heap]

    def _held(self, row: Candidate) -> Candidate | None:
        """The row as it can be opened at any time, its content written down; None if it is of another language."""
        try:
            content = self._read(row)
        except RefusedFileError as refused:
            return replace(row, size=row.size if refused.reason == "too_large" else None, open=unreadable)
        if content is None:
            return None
        opener = unreadable
        if len(content) <= self._file_bytes[1]:
            opener = partial(self._open, self._end, len(content))
            self._file.write(content)
            self._end += len(content)
        return replace(row, size=len(content), needs_content=False, open=opener)

    def _open(self, offset: int, size: int) -> io.BytesIO:
        self._file.flush()
        return io.BytesIO(os.pread(self._file.fileno(), size, offset))
