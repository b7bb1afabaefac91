"""The part of a stream of rows that a draw with a budget can still take."""

import heapq
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from multipl_moe.corpus.candidates import READ_ERRORS, Candidate, unreadable


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
        self,
        rank: Callable[[Candidate], int],
        budget_bytes: float,
        file_bytes: tuple[int, int],
        belongs: Callable[[Candidate, bytes], bool],
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
        held = self._in_memory(row)
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

    def _in_memory(self, row: Candidate) -> Candidate | None:
        """The row with its content, but for one that is too large; None for one of another language."""
        largest = self._file_bytes[1]
        if row.size is not None and row.size > largest and not row.needs_content:
            return replace(row, open=unreadable)
        try:
            with row.open() as stream:
                content = stream.read(largest + 1)
        except READ_ERRORS:
            return None if row.needs_content else replace(row, size=None, open=unreadable)
        if row.needs_content and not self._belongs(row, content):
            return None
        opener = partial(io.BytesIO, content) if len(content) <= largest else unreadable
        return replace(row, open=opener, size=len(content), needs_content=False)
