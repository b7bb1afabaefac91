"""Rows that can be read but once: which are held, and that their contents are not in memory."""

import io
import math
from functools import partial

import pytest

from multipl_moe.corpus.read.candidates import Candidate, unreadable
from multipl_moe.corpus.read.streamed_rows import EarliestRows


def row(name: str, content: bytes | None, **keys) -> Candidate:
    opener = unreadable if content is None else partial(io.BytesIO, content)
    return Candidate("rust", "archive", name, "MIT", opener, **keys)


def earliest(budget: int, belongs=lambda row, content: True) -> EarliestRows:
    return EarliestRows(lambda row: int(row.path), budget, (2, 100), belongs)


def names(rows: EarliestRows) -> list[int]:
    return sorted(int(row.path) for row in rows.rows())


def test_rows_that_fit_and_one_more_are_held_whatever_their_order():
    for order in (range(20), reversed(range(20)), [7 * index % 20 for index in range(20)]):
        rows = earliest(55)
        for place in order:
            rows.put(row(str(place), b"x" * 10))
        assert names(rows) == [0, 1, 2, 3, 4, 5]
        assert rows.num_dropped == 14


def test_contents_are_held_as_the_source_lets_go_of_them():
    streams = [io.BytesIO(bytes([65 + place]) * 10) for place in range(3)]
    rows = earliest(1000)
    for place, stream in enumerate(streams):
        rows.put(Candidate("rust", "archive", str(place), "", lambda stream=stream: stream))
        stream.close()
    assert sorted(held.open().read()[:1] for held in rows.rows()) == [b"A", b"B", b"C"]


def test_a_row_that_cannot_be_drawn_is_not_read():
    rows = earliest(25)
    for place in range(3):
        rows.put(row(str(place), b"x" * 10))

    def fail():
        raise AssertionError("read")

    rows.put(Candidate("rust", "archive", "9", "", fail))
    assert rows.num_dropped == 1


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


def test_rows_of_another_language_are_neither_held_nor_counted():
    rows = earliest(25, belongs=lambda row, content: content.startswith(b"rust"))
    for place, content in enumerate([b"c" * 20, b"rust" * 5, b"c" * 20, None, b"rust" * 5]):
        rows.put(row(str(place), content, needs_content=True))
    assert names(rows) == [1, 4]
    assert rows.num_dropped == 0
    assert not any(held.needs_content for held in rows.rows())


def test_without_a_budget_rows_lie_on_disk_and_come_back_in_any_order(tmp_path):
    rows = EarliestRows(
        lambda row: int(row.path),
        math.inf,
        (2, 100),
        lambda row, content: content.startswith(b"rust"),
        tmp_path / "made",
    )
    contents = [b"", b"x" * 100, b"y" * 101, None, "é".encode()]
    for place, content in enumerate(contents):
        rows.put(row(str(place), content))
    rows.put(row("5", b"rust" * 5, needs_content=True))
    rows.put(row("6", b"c" * 5, needs_content=True))
    held = {int(row.path): row for row in rows.rows()}
    assert (sorted(held), rows.num_dropped) == ([0, 1, 2, 3, 4, 5], 0)
    assert [held[place].open().read() for place in (5, 1, 0, 4)] == [b"rust" * 5, b"x" * 100, b"", "é".encode()]
    assert (held[2].size, held[3].size) == (101, None)
    assert list((tmp_path / "made").iterdir()) == []
