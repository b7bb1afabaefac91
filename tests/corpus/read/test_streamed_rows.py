"""Rows that can be read but once: which are held, and that their contents are not in memory."""

import io
from functools import partial

import pytest

from multipl_moe.corpus.read.candidates import Candidate, unreadable
from multipl_moe.corpus.read.streamed_rows import EarliestRows


def row(name: str, content: bytes | None, **keys) -> Candidate:
    opener = unreadable if content is None else partial(io.BytesIO, content)
    return Candidate("rust", "archive", name, "MIT", opener, **keys)


def earliest(budget: int) -> EarliestRows:
    return EarliestRows(lambda row: int(row.path), budget, (2, 100), lambda row, content: True)


def names(rows: EarliestRows) -> list[int]:
    return sorted(int(row.path) for row in rows.rows())


def test_rows_that_fit_and_one_more_are_held_whatever_their_order():
    for order in (range(20), reversed(range(20)), [7 * index % 20 for index in range(20)]):
        rows = earliest(55)
        for place in order:
            rows.put(row(str(place), b"x" * 10))
        assert names(rows) == [0, 1, 2, 3, 4, 5]
        assert rows.num_dropped == 14


def test_rows_of_refused_sizes_take_no_budget_and_large_ones_no_memory():
    rows = earliest(25)
    rows.put(row("0", b"x" * 101))
    rows.put(row("1", b"y" * 10**6, size=10**6))
    rows.put(row("2", b"z"))
    rows.put(row("3", None))
    rows.put(row("4", b"x" * 10))
    rows.put(row("5", b"x" * 10))
    assert names(rows) == [0, 1, 2, 3, 4, 5]
    sizes = {held.path: held.size for held in rows.rows()}
    assert (sizes["0"], sizes["1"], sizes["2"], sizes["3"]) == (101, 10**6, 1, None)
    for held in rows.rows():
        if held.path in "013":
            with pytest.raises(OSError, match="no text"):
                held.open()
