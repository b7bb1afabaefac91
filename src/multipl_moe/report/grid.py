"""A table of texts, made once: for the terminal, for a page in Markdown, and for the templates of HTML pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Grid:
    """What a table says; rich prints it as it is. No cell is read as markup.

    In a terminal that is narrow cells go over several lines before a word is cut.

    Attributes:
        title: above the table.
        header: names of the columns; none is shown where all are empty.
        rows: cells, green, yellow, red or bold where they are a `Text`; None ends a section. A cell may have several
            lines.
        num_labels: columns that stand to the left; the others are numbers.
        notes: lines below.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Text] | None]
    num_labels: int = 1
    notes: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """For rich: the table, fitted to the terminal."""
        rows = [self.header, *(row for row in self.rows if row is not None)]
        lines = [[line for row in rows for line in str(row[place]).split("\n")] for place in range(len(self.header))]
        least = [max((len(word) for line in column for word in line.split()), default=1) for column in lines]
        whole = [max(1, *map(len, column)) for column in lines]
        gap = _gap(least, whole, options.max_width)
        widths = _widths(least, whole, options.max_width - (1 + gap) * len(least) + 1)
        table = Table(
            title=Text(self.title),
            caption=Text("\n".join(self.notes)) if self.notes else None,
            show_header=any(self.header),
            show_edge=False,
            box=SIMPLE_HEAD,
            padding=(0, gap, 0, 0),
        )
        for place, (name, width) in enumerate(zip(self.header, widths, strict=True)):
            table.add_column(name, justify="left" if place < self.num_labels else "right", width=width)
        for row in self.rows:
            if row is None:
                table.add_section()
            else:
                table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        yield table

    @property
    def markdown(self) -> str:
        """The table alone."""
        lines = [self.header, ["---"] * len(self.header), *(row for row in self.rows if row is not None)]
        cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)

    def to_markdown(self) -> str:
        """A section with the table and its notes."""
        return "\n\n".join([f"## {self.title}", self.markdown, *self.notes])


def _gap(least: Sequence[int], whole: Sequence[int], room: int) -> int:
    """Columns between two of the table, beside the one that the box leaves: none where lines can then stay whole."""
    for widths, gap in ((whole, 1), (whole, 0), (least, 1)):
        if sum(widths) + (1 + gap) * len(widths) - 1 <= room:
            return gap
    return 0


def _widths(least: Sequence[int], whole: Sequence[int], room: int) -> list[int | None]:
    """Widths of columns: whole lines where there is room, but never less than the longest word; None leaves it to rich.

    Columns that need little more than their longest word get it first.
    """
    spare = room - sum(least)
    if spare < 0:
        return [None] * len(least)
    widths: list[int | None] = list(least)
    order = sorted(range(len(least)), key=lambda place: whole[place] - least[place])
    for rank, place in enumerate(order):
        more = min(whole[place] - least[place], spare // (len(order) - rank))
        widths[place] = least[place] + more
        spare -= more
    return widths
