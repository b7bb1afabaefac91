"""`multipl-moe compare`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import split_names
from multipl_moe.errors import ConfigError


def compare(
    output: Annotated[Path, typer.Argument(help="Folder of the comparison, to create or to continue.")],
    what: Annotated[
        list[Path],
        typer.Argument(
            help="File of one comparison (recipes/comparisons/results.yaml), or recipes, each of them a method."
        ),
    ],
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Number of tokens to train each recipe on; needed for recipes.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Methods to run now, comma-separated; '' shows what there is. [all]")
    ] = None,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the trained weights, not only the measurements.")
    ] = False,
) -> None:
    """Train several methods on the same tokens in the same order, and compare what each one gains and loses.

    Each method is a recipe, or settings on top of a common one: dense training, LoRA, presets of the hybrid. All are
    scored on the same held-out files and write the same programs. Ctrl-C and SIGTERM stop after saving,
    with exit code 130 and 75; the same command goes on, also with methods, rates or seeds added to the file since.

    Example: `multipl-moe compare runs/results recipes/comparisons/results.yaml`
    """
    from multipl_moe.compare.schema import comparison_of_recipes, load_comparison

    if tokens is not None:
        chosen = comparison_of_recipes(what, tokens)
    elif len(what) == 1:
        chosen = load_comparison(what[0])
    else:
        raise ConfigError("--tokens: needed for recipes, so that all are trained on as many")

    from multipl_moe.compare.session import ComparisonSession
    from multipl_moe.report.comparison_tables import comparison_runs_table
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    session = ComparisonSession(chosen, output, console, only=split_names(only), keep_models=keep_models)
    console.print(comparison_runs_table(session.run()))
    console.print(f"page: {output / 'comparison.html'}\nplot: {output / 'comparison.png'}")
