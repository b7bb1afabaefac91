"""`multipl-moe eval`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    recipe_from_flags,
    require_folders,
    split_names,
)
from multipl_moe.errors import ConfigError


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of the model to evaluate, hybrid or dense.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder whose held-out files are read.")],
    output: Annotated[Path, typer.Argument(help="JSON file to create.")],
    against: Annotated[
        str | None, typer.Option(help="Model to compare with: hub id, folder, GGUF file or smollm2-135m.")
    ] = None,
    metric: Annotated[str, typer.Option(help="What to measure: bpb, bits per byte.")] = "bpb",
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Bits per byte by language on held-out files; with --against, the change and its 95% interval.

    Example: `multipl-moe eval runs/first/model corpora/mine runs/bpb.json --against smollm2-135m`
    """
    from multipl_moe.allocator import keep_freed_memory
    from multipl_moe.eval.compare import evaluate_models
    from multipl_moe.report.tables import result_table, scores_table
    from multipl_moe.run_folder import write_json
    from multipl_moe.staging import refuse_existing

    if metric != "bpb":
        raise ConfigError(f"--metric: {metric!r} is not known; use bpb")
    chosen = recipe_from_flags(recipe, settings, {"learn": split_names(learn), "keep": split_names(keep), "seed": seed})
    refuse_existing(output)
    require_folders(model=model, corpus=corpus)
    keep_freed_memory()
    with console.status("scoring"):
        metrics = evaluate_models(chosen, model, corpus, against)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, metrics)
    console.print(result_table(metrics) if against is not None else scores_table(metrics))
