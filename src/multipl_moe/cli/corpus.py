"""`multipl-moe corpus`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    Base,
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    parse_sources,
    recipe_from_flags,
    split_names,
)


def corpus(
    output: Annotated[Path, typer.Argument(help="Corpus folder to create.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder, git work tree, .jsonl or .parquet file, or `toolchains`; may be repeated. [toolchains]"
        ),
    ] = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Collect source files: by language, without duplicates, split, tokenised and packed.

    Example: `multipl-moe corpus corpora/mine --source ~/src/project --learn rust --keep python`
    """
    from multipl_moe.corpus.packed import packing_by_language
    from multipl_moe.corpus.pipeline import build_corpus
    from multipl_moe.report.packing_tables import packing_table
    from multipl_moe.report.tables import corpus_table
    from multipl_moe.staging import refuse_existing
    from multipl_moe.upcycle.base import resolve_base

    flags = {"base": base, "learn": split_names(learn), "keep": split_names(keep), "seed": seed}
    chosen = recipe_from_flags(recipe, settings, flags | {"corpus.sources": parse_sources(source)})
    refuse_existing(output)
    manifest = build_corpus(chosen, resolve_base(chosen.base), output, console.print)
    console.print(corpus_table(manifest))
    console.print(packing_table(packing_by_language(output, chosen.train.sequence_tokens)))
