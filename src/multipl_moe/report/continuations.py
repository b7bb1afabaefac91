"""What base and hybrid write after the same prompts, side by side: in the terminal and as a part of a page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from multipl_moe.generate.reading import Reading
from multipl_moe.generate.routing import gate_text
from multipl_moe.report.reading import chips, coloured_text, first_view

CONTINUATIONS_FILE = "continuations.json"
"""Of a run folder: what its base and its hybrid write."""


@dataclass(frozen=True)
class Continuation:
    """A prompt, with the title of its language, and what `base` and `hybrid` add to it.

    `reading` is of the prompt and what the hybrid adds, as the hybrid reads them.
    """

    language: str
    prompt: str
    base: str
    hybrid: str
    reading: Reading

    @property
    def title(self) -> str:
        """The language, and whether there is anything to compare."""
        return f"{self.language}: both write the same" if self.base == self.hybrid else self.language

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Continuation":
        """Read `to_json`'s dict."""
        return cls(**{**values, "reading": Reading.from_json(values["reading"])})

    @property
    def html(self) -> Markup:
        """The prompt and what the hybrid adds, coloured."""
        return coloured_text(self.reading, *first_view(self.reading), len(self.prompt))

    @property
    def chips(self) -> Markup:
        """What the colours mean."""
        return chips(self.reading, *first_view(self.reading), None)


def continuations_table(continuations: Sequence[Continuation]) -> Table:
    """For the terminal: both texts of each prompt, the hybrid's in colour where its gate is open."""
    gated = any(one.reading.gate for one in continuations)
    table = Table(
        title="How both go on from the same beginning",
        caption="in colour: the gate is open, so the experts work; elsewhere the hybrid is its base" if gated else None,
        box=SIMPLE_HEAD,
        show_edge=False,
        expand=True,
    )
    table.add_column("base", ratio=1)
    table.add_column("hybrid", ratio=1)
    for one in continuations:
        gate = one.reading.gate
        hybrid = Text(one.prompt + one.hybrid) if gate is None else gate_text(one.reading.pieces, gate)
        table.add_row(Text(one.title, "bold"), "")
        table.add_row(Text.assemble((one.prompt, "dim"), one.base), hybrid, end_section=True)
    return table
