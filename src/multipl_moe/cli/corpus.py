"""`multipl-moe corpus`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    Base,
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    recipe_from_flags,
    split_names,
)
from multipl_moe.cli.sources import parse_sources
from multipl_moe.system.staging import refuse_existing

if TYPE_CHECKING:
    from multipl_moe.corpus.run.stages import OnTasks


def corpus(
    output: Annotated[Path, typer.Argument(help="Corpus folder to create.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Source of files: a folder, git repository (PATH@REVISION for one revision), tar or zip "
            "archive, .jsonl or .parquet file, hub:DATASET, or `toolchains`; may be repeated. "
            "[toolchains]"
        ),
    ] = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Build a corpus of source files: sorted by language, deduplicated, split, tokenised and packed.

    An interrupted build goes on where it stopped when started again with the same recipe.

    Example: `multipl-moe corpus corpora/mine --source ~/src/project --learn rust --keep python`
    """
    flags = {"base": base, "learn": split_names(learn), "keep": split_names(keep), "seed": seed}
    chosen = recipe_from_flags(recipe, settings, flags | {"corpus.sources": parse_sources(source)})
    refuse_existing(output)

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.corpus.dropped import DROPPED_NAME
    from multipl_moe.corpus.pipeline import build_corpus
    from multipl_moe.data.packed import packing_by_language
    from multipl_moe.report.corpus_tables import corpus_table, packing_table

    tokenizer = resolve_base(chosen.base)
    with _tasks_shown() as on_tasks:
        manifest = build_corpus(chosen, tokenizer, output, console.print, on_tasks)
    console.print(corpus_table(manifest, chosen.language_table))
    packing = packing_by_language(output, chosen.train.sequence_tokens)
    console.print(packing_table(packing, chosen.language_table))
    console.print(f"what was left out and why: {output / DROPPED_NAME}", highlight=False, soft_wrap=True)


@contextmanager
def _tasks_shown() -> Iterator["OnTasks"]:
    """A bar of the tasks of the stage that runs."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("tasks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda stage: progress.update(bar, completed=stage.num_done, total=stage.num_tasks)
