"""`multipl-moe demo`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import RecipeFile, Seed, Settings, recipe_from_flags
from multipl_moe.system.staging import held_folder


def demo(
    output: Annotated[Path, typer.Option(help="Run folder to create or to continue.")] = Path("runs/demo"),
    tokens: Annotated[int | None, typer.Option(min=1, help="Number of tokens to train on. [100352]")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=60 * 24 * 365,
            help="Computing time for the whole demo in minutes, downloads apart; it can only shorten training. [as "
            "long as it takes]",
        ),
    ] = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    seed: Seed = None,
) -> None:
    """Run the whole pipeline: base model, corpus, hybrid, training, a pack, and a report of what was gained and kept.

    Uses SmolLM2-135M and the standard libraries of the installed toolchains, so it needs no model hub. It measures how
    fast this machine trains and says how long all of it takes before it goes on. A recipe with practice.tasks practises
    first, after source text if it asks for that, and says of each how long it takes. An interrupted demo goes on where
    it stopped when started again. If no gain was shown, the exit code is 1.

    Example: `multipl-moe demo --tokens 60000`
    """
    from multipl_moe.demo.recipe import DEMO_RECIPE, without_missing_languages

    flags = {"seed": seed, "train.tokens": tokens}
    chosen = recipe_from_flags(recipe, settings, flags, defaults=DEMO_RECIPE)  # refused at once, if at all

    from multipl_moe.demo.steps import Demo
    from multipl_moe.eval.outcome import has_gain
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    chosen = without_missing_languages(chosen, console)
    with held_folder(output):
        metrics = Demo(chosen, output, minutes, console).run()
    if not has_gain(chosen, metrics):
        raise typer.Exit(1)
