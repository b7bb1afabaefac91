"""Rows and members of archives, which can be read but once, made ready to be drawn in any order."""

import heapq
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from multipl_moe.corpus.candidates import READ_ERRORS, Candidate, unreadable

Belongs = Callable[[Candidate, bytes], bool]


def in_memory(row: Candidate, largest: int, belongs: Belongs) -> Candidate | None:
    """The row with its content in memory, unless that is more than `largest` bytes.

    Args:
        row: can be opened now, and perhaps not again.
        largest: bytes that will be accepted; a row of more keeps its size alone.
        belongs: whether a row whose name leaves that open is of its language, by its content.

    Returns:
        None for a row of another language.
    """
    if row.size is not None and row.size > largest and not row.needs_content:
        return replace(row, open=unreadable)
    try:
        with row.open() as stream:
            content = stream.read(largest + 1)
    except READ_ERRORS:
        return None if row.needs_content else replace(row, size=None, open=unreadable)
    if row.needs_content and not belongs(row, content):
        return None
    opener = partial(io.BytesIO, content) if len(content) <= largest else unreadable
    return replace(row, open=opener, size=len(content), needs_content=False)


class EarliestRows:
    """Of the rows put in, those that can still be drawn within a budget: memory is the budget's, not the source's.

    A row is let go once the rows before it in the order of the draw fill the budget. Rows that will be refused for
    their size do not count; those that will be refused for their content do, so the draw may end that much short.

    Args:
        rank: place of a row in the draw; lower comes first.
        budget_bytes: bytes of all rows drawn.
        file_bytes: least and most bytes of a row that will be accepted.
        belongs: whether a row whose name leaves that open is of its language, by its content.
    """

    def __init__(
        self, rank: Callable[[Candidate], int], budget_bytes: float, file_bytes: tuple[int, int], belongs: Belongs
    ):
        self.num_dropped = 0
        self._rank, self._budget_bytes, self._file_bytes, self._belongs = rank, budget_bytes, file_bytes, belongs
        self._heap: list[tuple[int, int, int, Candidate]] = []
        self._bytes = self._num_put = 0

    def put(self, row: Candidate) -> None:
        """Add a row, reading it if it may be drawn, and let go of those that it pushes out."""
        rank = self._rank(row)
        if self._bytes > self._budget_bytes and -rank < self._heap[0][0]:
            self.num_dropped += 1
            return
        held = in_memory(row, self._file_bytes[1], self._belongs)
        if held is None:
            return
        size = held.size or 0
        counted = size if self._file_bytes[0] <= size <= self._file_bytes[1] else 0
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


class RowsOnDisk:
    """All rows put in, for a draw without a budget: their contents lie in a file, which goes with this object.

    Args:
        folder: where the file lies, made if it is missing, on a disk with room for all contents; None: the system's.
        largest: most bytes of a row that will be accepted; larger ones take no room.
        belongs: whether a row whose name leaves that open is of its language, by its content.
    """

    num_dropped = 0

    def __init__(self, folder: Path | None, largest: int, belongs: Belongs):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._largest, self._belongs = largest, belongs
        self._rows: list[Candidate] = []

    def put(self, row: Candidate) -> None:
        """Add a row."""
        held = in_memory(row, self._largest, self._belongs)
        if held is None:
            return
        if held.size is not None and held.size <= self._largest:
            with held.open() as stream:
                offset = self._file.tell()
                self._file.write(stream.read())
            held = replace(held, open=partial(self._open, offset, held.size))
        self._rows.append(held)

    def rows(self) -> list[Candidate]:
        """All rows, as they came."""
        self._file.flush()
        return self._rows

    def _open(self, offset: int, size: int) -> io.BytesIO:
        return io.BytesIO(os.pread(self._file.fileno(), size, offset))
