"""A table of texts, made once: for the terminal, for a page in Markdown, and for the templates of HTML pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Grid:
    """What a table says; rich prints it as it is. No cell is read as markup.

    Attributes:
        title: above the table.
        header: names of the columns; none is shown where all are empty.
        rows: cells, green, yellow, red or bold where they are a `Text`; None ends a section.
        num_labels: columns that stand to the left; the others are numbers.
        notes: lines below.
        is_narrow: whether it must fit into 80 columns.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Text] | None]
    num_labels: int = 1
    notes: Sequence[str] = ()
    is_narrow: bool = False

    def __rich__(self) -> Table:
        look = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0)} if self.is_narrow else {}
        caption = Text("\n".join(self.notes)) if self.notes else None
        table = Table(title=Text(self.title), caption=caption, show_header=any(self.header), **look)
        for place, name in enumerate(self.header):
            table.add_column(name, justify="left" if place < self.num_labels else "right")
        for row in self.rows:
            if row is None:
                table.add_section()
            else:
                table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        return table

    def to_markdown(self) -> str:
        """A section with the table."""
        lines = [self.header, ["---"] * len(self.header), *(row for row in self.rows if row is not None)]
        cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
        return f"## {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in cells)
