"""Rows that can be read but once: which are held, and that their contents are not in memory."""

import io
from functools import partial

import pytest

from multipl_moe.corpus.read.candidates import Candidate, unreadable
from multipl_moe.corpus.read.sources import SourceReader
from multipl_moe.corpus.read.streamed_rows import EarliestRows
from tests.corpus.conftest import recipe_of


def row(name: str, content: bytes | None, size: int | None) -> Candidate:
    opener = unreadable if content is None else partial(io.BytesIO, content)
    return Candidate("rust", "archive", name, "MIT", opener, size)


def test_rows_of_refused_sizes_take_no_budget_and_large_ones_no_memory():
    reader = SourceReader(recipe_of({"kind": "toolchains"}, min_file_bytes=2, max_file_bytes=100).corpus, ["rust"], 0)
    rows = EarliestRows(lambda row: int(row.path), 25, (2, 100), reader._content)
    contents = [b"x" * 101, None, b"z", None, *[b"x" * 10] * 20]
    for place, content in enumerate(contents):
        rows.put(row(str(place), content, size={1: 10**6, 3: 9}.get(place)))
    held = {int(one.path): one for one in rows.rows()}
    assert sorted(held) == [0, 1, 2, 3, 4, 5, 6], "those that fit and one more"
    assert rows.num_dropped == len(contents) - 7
    assert [held[place].size for place in range(4)] == [101, 10**6, 1, None]
    for place in (0, 1, 3):
        with pytest.raises(OSError, match="no text"):
            held[place].open()
