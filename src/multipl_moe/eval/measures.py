"""What is measured of a trained model beside bits per byte: a table that all read who measure, tell or show it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_moe.eval.movement.panel import MOVEMENT_COLUMNS, MOVEMENT_NOTE, movement_cell, movement_of, movement_rows
from multipl_moe.eval.movement.panel import tokens_read as movement_tokens
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Measures


@dataclass(frozen=True)
class Measure:
    """A measure of a model against its base.

    Attributes:
        measure: takes recipe, base, model, its tokenizer, the corpus, and what is told how many tokens are read, of how
            many; may cast the model.
        tokens_read: by both models, in float32; 0: the recipe, by `eval.NAME_share`, does not ask for it.
        title, note, columns, rows: of its table; the note tells what a reader must know.
        question: heading of its part of a page, to which "the base" is added.
        brief_note, cell: of its column in a comparison.
    """

    measure: Callable[[Recipe, str, PreTrainedModel, PreTrainedTokenizerBase, Path, Callable[[int, int], None]], Any]
    tokens_read: Callable[[Recipe], float]
    title: str
    note: str
    question: str
    columns: Sequence[str]
    rows: Callable[[Any], list[list[str]]]
    brief_note: str
    cell: Callable[[Any], str]


MEASURES = {
    "moved": Measure(
        measure=movement_of,
        tokens_read=movement_tokens,
        title="Moved from the base (0: it predicts the same)",
        note=MOVEMENT_NOTE,
        question="How far it moved from",
        columns=MOVEMENT_COLUMNS,
        rows=movement_rows,
        brief_note="nats a token (KL divergence) from the base, on the base's own answers",
        cell=movement_cell,
    ),
}
"""By name, which is that of the field of `Measures`, and what `eval --metric` takes."""


def measure_model(
    recipe: Recipe,
    base: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Path,
    on_measure: Callable[[str], None] = lambda question: None,
) -> Measures:
    """Take all measures that the recipe asks for, each told as it begins; the model may be cast."""
    found = {}
    for name, one in MEASURES.items():
        if one.tokens_read(recipe):
            on_measure(f"{one.question} the base")
            found[name] = one.measure(recipe, base, model, tokenizer, corpus, lambda done, total: None)
    return Measures(**found)


def findings(found: Measures) -> Iterator[tuple[Measure, Any]]:
    """Each measure that was taken, and what it found, which has a `sentence` and may be told in `brief`."""
    for name, measure in MEASURES.items():
        if (finding := getattr(found, name)) is not None:
            yield measure, finding
