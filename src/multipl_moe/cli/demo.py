"""`multipl-moe demo`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import RecipeFile, Seed, Settings, recipe_from_flags


def demo(
    output: Annotated[Path, typer.Option(help="Run folder to create or to continue.")] = Path("runs/demo"),
    minutes: Annotated[
        float, typer.Option(min=1, help="Computing time for the whole demo in minutes, downloads apart.")
    ] = 15,
    exact: Annotated[
        bool, typer.Option("--exact", help="Train on the recipe's train.tokens instead of fitting --minutes.")
    ] = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    seed: Seed = None,
) -> None:
    """Run the whole pipeline: base model, corpus, hybrid, training, and a report of what was gained and kept.

    Uses SmolLM2-135M and the standard libraries of the installed toolchains, so it needs no model hub. An interrupted
    demo goes on where it stopped when started again.

    Example: `multipl-moe demo --minutes 15`
    """
    recipe_from_flags(recipe, settings, {"seed": seed})  # refused at once, if at all

    from multipl_moe.demo import Demo, demo_recipe, without_missing_languages
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    chosen = recipe_from_flags(recipe, settings, {"seed": seed}, defaults=demo_recipe(minutes))
    chosen = without_missing_languages(chosen, console)
    Demo(chosen, output, None if exact else minutes, console).run()
