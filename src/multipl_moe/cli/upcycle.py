"""`multipl-moe upcycle`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import (
    Base,
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    recipe_from_flags,
    require_folders,
)
from multipl_moe.system.staging import refuse_existing


def upcycle(
    output: Annotated[Path, typer.Argument(help="Hybrid checkpoint folder to create.")],
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    preset: Annotated[str | None, typer.Option(help="Preset: pack, single, causal, paper, token-only. [pack]")] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="Decoder layers to make hybrid: all, last:N, every:N or indices like 3,7,11. [all]"),
    ] = None,
    seed: Seed = None,
    learn: Learn = None,
    keep: Keep = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Corpus folder. The domain gate is fitted to its text, unless moe.gate.languages is []; routers, if "
            "the preset has any, are placed so that every expert begins with a fair load."
        ),
    ] = None,
) -> None:
    """Turn a dense base into a hybrid mixture of experts, and verify that it starts out equal to the base.

    Example: `multipl-moe upcycle runs/hybrid --base smollm2-135m --layers every:4 --corpus corpora/mine`
    """
    flags = {"base": base, "seed": seed, "learn": learn, "keep": keep}
    chosen = recipe_from_flags(recipe, settings, flags | {"moe.preset": preset, "moe.experts.layers": layers})
    refuse_existing(output)
    if corpus is not None:
        require_folders(corpus=corpus)  # before a base is fetched and converted

    from multipl_moe.upcycle.convert import start_lines
    from multipl_moe.upcycle.convert import upcycle as convert

    with progress_bar("writing") as (_, on_progress):
        report = convert(chosen, output, on_progress, corpus=corpus)
    counts = report.parameters
    told = f"{counts.total:,} parameters, {counts.active:,} active per token, {counts.trained:,} to train"
    console.print(f"{output}: {told}")
    if (verification := report.verification) is None:
        console.print("logits not compared with the base's: " + report.why_unverified)
    else:
        meant = "must be 0 but for rounding" if verification.must_be_exact else "not meant to be 0 with these settings"
        console.print(f"largest difference of a logit from the base's: {verification.max_difference:.2e} ({meant})")
    for line in start_lines(report):
        console.print(line)
