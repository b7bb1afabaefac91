"""A table of texts, made once: for the terminal, for a page in Markdown, and for the templates of HTML pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

_NARROW = 80  # columns of a usual terminal


@dataclass(frozen=True)
class Grid:
    """What a table says; rich prints it as it is. No cell is read as markup.

    In a terminal that is narrow cells go over several lines before a word is cut.

    Attributes:
        title: above the table.
        header: names of the columns; none is shown where all are empty.
        rows: cells, green, yellow, red or bold where they are a `Text`; None ends a section.
        num_labels: columns that stand to the left; the others are numbers.
        notes: lines below.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Text] | None]
    num_labels: int = 1
    notes: Sequence[str] = ()

    def __rich__(self) -> Table:
        rows = [self.header, *(row for row in self.rows if row is not None)]
        columns = [[str(row[place]) for row in rows] for place in range(len(self.header))]
        least = [max((len(word) for text in texts for word in text.split()), default=0) for texts in columns]
        gap = 1 if sum(least) + 2 * len(least) <= _NARROW else 0  # beside the one that the box leaves
        caption = Text("\n".join(self.notes)) if self.notes else None
        table = Table(
            title=Text(self.title),
            caption=caption,
            show_header=any(self.header),
            show_edge=False,
            box=SIMPLE_HEAD,
            padding=(0, gap, 0, 0),
        )
        for place, (name, texts) in enumerate(zip(self.header, columns, strict=True)):
            justify = "left" if place < self.num_labels else "right"
            is_word = all(" " not in text for text in texts)
            table.add_column(name, justify=justify, no_wrap=is_word, min_width=least[place])
        for row in self.rows:
            if row is None:
                table.add_section()
            else:
                table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        return table

    def to_markdown(self) -> str:
        """A section with the table and its notes."""
        lines = [self.header, ["---"] * len(self.header), *(row for row in self.rows if row is not None)]
        cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
        table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
        return "\n\n".join([f"## {self.title}", table, *self.notes])
