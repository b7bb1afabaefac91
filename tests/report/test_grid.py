"""A grid says the same in a terminal and in Markdown, and reads no cell as markup."""

import io
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import assume, given, settings
from rich.console import Console
from rich.table import Table
from rich.text import Text

from multipl_moe.report.grid import Grid

GRID = Grid("Two [bold]ways", ["method", "count"], [["a [red]b | c", Text("7", "green")], None, ["d", "12"]])


def printed(grid: Grid | Table, width: int = 160) -> str:
    """What a terminal without colours shows."""
    console = Console(file=io.StringIO(), width=width)
    console.print(grid)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def row(grid: Grid, *words: str) -> list[str]:
    """The cells of the one row in which all of these occur."""
    (cells,) = [cells for cells in grid.rows if cells is not None and set(words) <= set(map(str, cells))]
    return [str(cell) for cell in cells]


def test_the_terminal_shows_texts_as_they_are():
    text = printed(replace(GRID, notes=["a [note]", "another"]))
    assert all(part in text for part in ("Two [bold]ways", "a [red]b | c", "[note]", "another", "count"))
    assert "count" not in printed(Grid("", ["", ""], GRID.rows))


def test_markdown_has_a_line_for_each_row_and_escapes_bars():
    assert GRID.to_markdown().splitlines() == [
        "## Two [bold]ways",
        "",
        "| method | count |",
        "| --- | --- |",
        "| a [red]b \\| c | 7 |",
        "| d | 12 |",
    ]


_CELLS = st.lists(st.text("abc", min_size=1, max_size=16), max_size=4).map(" ".join)


@settings(max_examples=50)
@given(st.data(), st.integers(1, 9), st.integers(1, 4))
def test_no_word_is_cut_where_the_longest_ones_of_all_columns_fit_side_by_side(data, num_columns: int, num_rows: int):
    lines = st.lists(_CELLS, min_size=num_columns, max_size=num_columns)
    rows = data.draw(st.lists(lines, min_size=num_rows, max_size=num_rows))
    longest = [
        max((len(word) for row in rows for word in row[place].split()), default=1) for place in range(num_columns)
    ]
    assume(sum(longest) + num_columns - 1 <= 80)
    shown = printed(Grid("", [""] * num_columns, rows), 80).split()
    assert sorted(shown) == sorted(word for row in rows for cell in row for word in cell.split())
