"""Rows and members of archives, which can be read but once, made ready to be drawn in any order: they wait on disk."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from multipl_moe.corpus.read.candidates import READ_ERRORS, Candidate, unreadable
from multipl_moe.corpus.read.scratch_file import Piece, ScratchFile

Belongs = Callable[[Candidate, bytes], bool]


class EarliestRows:
    """Of the rows put in, those that can still be drawn within a budget: the room taken is its, not the source's.

    A row is let go once the rows before it in the order of the draw fill the budget. Rows that will be refused for
    their size do not count; those that will be refused for their content do, so the draw may end that much short.

    Args:
        rank: place of a row in the draw; lower comes first.
        budget_bytes: bytes of all rows drawn.
        file_bytes: least and most bytes of a row that will be accepted.
        belongs: whether a row whose name leaves that open is of its language, by its content.
        folder: where the contents lie; None: the system's for temporary files.
    """

    def __init__(
        self,
        rank: Callable[[Candidate], int],
        budget_bytes: float,
        file_bytes: tuple[int, int],
        belongs: Belongs,
        folder: Path | None = None,
    ):
        self.num_dropped = 0
        self._rank, self._budget_bytes, self._file_bytes, self._belongs = rank, budget_bytes, file_bytes, belongs
        self._contents = ScratchFile(folder)
        self._heap: list[tuple[int, int, int, Candidate, Piece | None]] = []
        self._bytes = self._num_put = 0

    def put(self, row: Candidate) -> None:
        """Add a row, reading it if it may be drawn, and let go of those that it pushes out."""
        rank = self._rank(row)
        if self._bytes > self._budget_bytes and -rank < self._heap[0][0]:
            self.num_dropped += 1
            return
        read = _read(row, self._file_bytes[1], self._belongs)
        if read is None:
            return
        held, piece = _held(*read, self._contents)
        size = held.size or 0
        counted = size if self._file_bytes[0] <= size <= self._file_bytes[1] else 0
        self._num_put += 1
        heapq.heappush(self._heap, (-rank, -self._num_put, counted, held, piece))
        self._bytes += counted
        # One row beyond the budget stays, so that the draw sees that there was more.
        while self._bytes - self._heap[0][2] > self._budget_bytes:
            *_, dropped_bytes, _, dropped = heapq.heappop(self._heap)
            self._bytes -= dropped_bytes
            self.num_dropped += 1
            if dropped is not None:
                self._contents.remove(dropped)

    def rows(self) -> list[Candidate]:
        """The rows that are left, in no particular order."""
        return [row for *_, row, _ in self._heap]


class RowsOnDisk:
    """All rows put in, for a draw without a budget.

    Args:
        folder: where the contents lie, on a disk with room for all of them; None: the system's for temporary files.
        largest: most bytes of a row that will be accepted; larger ones take no room.
        belongs: whether a row whose name leaves that open is of its language, by its content.
    """

    num_dropped = 0

    def __init__(self, folder: Path | None, largest: int, belongs: Belongs):
        self._contents = ScratchFile(folder)
        self._largest, self._belongs = largest, belongs
        self._rows: list[Candidate] = []

    def put(self, row: Candidate) -> None:
        """Add a row."""
        if (read := _read(row, self._largest, self._belongs)) is not None:
            self._rows.append(_held(*read, self._contents)[0])

    def rows(self) -> list[Candidate]:
        """All rows, as they came."""
        return self._rows


def _read(row: Candidate, largest: int, belongs: Belongs) -> tuple[Candidate, bytes | None] | None:
    """The row and its content, which is None if it cannot be read or has more than `largest` bytes.

    Args:
        row: can be opened now, and perhaps not again.
        largest: bytes that will be accepted; a row of more keeps its size alone.
        belongs: whether a row whose name leaves that open is of its language, by its content.

    Returns:
        None for a row of another language.
    """
    if row.size is not None and row.size > largest and not row.needs_content:
        return row, None
    try:
        with row.open() as stream:
            content = stream.read(largest + 1)
    except READ_ERRORS:
        return None if row.needs_content else (replace(row, size=None), None)
    if row.needs_content and not belongs(row, content):
        return None
    read = replace(row, size=len(content), needs_content=False)
    return read, content if len(content) <= largest else None


def _held(row: Candidate, content: bytes | None, contents: ScratchFile) -> tuple[Candidate, Piece | None]:
    """The row as it can be opened at any time, and where its content lies."""
    if content is None:
        return replace(row, open=unreadable), None
    piece = contents.add(content)
    return replace(row, open=partial(contents.open, piece)), piece
