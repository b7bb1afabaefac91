"""`multipl-moe review`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    require_run_to_enter,
    split_names,
)
from multipl_moe.cli.training import data_shown
from multipl_moe.errors import OutputError

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.train.result import TrainResult


def review(
    model: Annotated[Path, typer.Argument(help="Hybrid checkpoint that `train` wrote.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder that `corpus` wrote.")],
    output: Annotated[Path, typer.Argument(help="Run folder to create.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint in the run folder.")
    ] = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Number of tokens to train on. [50000]")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate (> 0), reached after warm-up. [0.001]")
    ] = None,
    seed: Seed = None,
) -> None:
    """Stage 2: train only the routers, so that languages to keep go to the frozen expert; all else stays, bit for bit.

    Writes OUTPUT/model, and bits per byte and routing of each language before and after. Ctrl-C and SIGTERM save a
    checkpoint and stop, with exit code 130 and 75; `--resume` goes on from it.

    Example: `multipl-moe review runs/first/model corpora/mine runs/reviewed --learn rust --keep python`
    """
    flags: dict[str, Any] = {"learn": split_names(learn), "keep": split_names(keep), "seed": seed}
    flags |= {"review.tokens": tokens, "review.learning_rate": learning_rate}
    chosen = recipe_from_flags(recipe, settings, flags)
    require_folders(model=model, corpus=corpus)

    from multipl_moe.report.tables import result_table, routing_table
    from multipl_moe.runs.folder import read_json, write_json
    from multipl_moe.system.allocator import keep_freed_memory
    from multipl_moe.train.hybrid_recipe import recipe_of_hybrid

    chosen = recipe_of_hybrid(chosen, model)
    require_run_to_enter(output, chosen, resume, "metrics.json")
    keep_freed_memory()
    result = _train(chosen, model, corpus, output)

    from multipl_moe.eval.language_scores import LanguageScores, score_folder
    from multipl_moe.eval.run_metrics import review_metrics

    file = output / "scores_before.json"
    if not file.is_file():
        with console.status("scoring the model as it was"):
            write_json(file, score_folder(chosen, model, corpus).to_json())
    with console.status("scoring the reviewed model"):
        after = score_folder(chosen, result.model_folder, corpus)
    metrics = review_metrics(chosen, LanguageScores.from_json(read_json(file)), after, result, against=model)
    write_json(output / "metrics.json", metrics)
    console.print(result_table(metrics))
    console.print(routing_table(metrics))
    console.print(f"{result.tokens:,} tokens in {result.seconds:.0f} s; model: {result.model_folder}", highlight=False)
    console.print(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)", highlight=False)


def _train(recipe: "Recipe", model: Path, corpus: Path, output: Path) -> "TrainResult":
    """Train, unless that is done and only the scores are missing."""
    from multipl_moe.checkpoints.loading import load_config
    from multipl_moe.eval.language_scores import require_scorable
    from multipl_moe.report.tables import audit_table
    from multipl_moe.runs.folder import open_run, read_json
    from multipl_moe.train.callbacks import INTERRUPT_NOTE
    from multipl_moe.train.freezing import TrainableParameters
    from multipl_moe.train.progress import TrainingProgress
    from multipl_moe.train.result import TrainResult
    from multipl_moe.train.review import review_model
    from multipl_moe.train.setup import tokens_per_step

    if (output / "training.json").is_file():
        result = TrainResult.from_json(read_json(output / "training.json"))
        if result.stage != "review":
            raise OutputError(f"output: {output} holds a run of `train`; choose another folder")
        return result
    require_scorable(load_config(model), corpus, recipe)

    def begin(audit: TrainableParameters) -> None:
        open_run(output, recipe)
        console.print(audit_table(audit))

    with TrainingProgress(output, tokens_per_step(recipe.train), console) as progress:
        return review_model(
            recipe,
            model,
            corpus,
            output,
            callbacks=[progress],
            on_audit=begin,
            on_data=data_shown(recipe),
            on_interrupt=lambda: console.print(INTERRUPT_NOTE),
        )
