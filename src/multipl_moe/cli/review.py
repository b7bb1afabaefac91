"""`multipl-moe review`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    CorpusFolder,
    Keep,
    Learn,
    LearningRate,
    RecipeFile,
    Resume,
    RunFolder,
    Seed,
    Settings,
    entered_run,
    recipe_from_flags,
    require_folders,
)
from multipl_moe.cli.training import show_trained, trained
from multipl_moe.errors import OutputError

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.train.result import TrainResult


def review(
    model: Annotated[Path, typer.Argument(help="Hybrid checkpoint that `train` wrote.")],
    corpus: CorpusFolder,
    output: RunFolder,
    resume: Resume = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Number of tokens to train on. [50000]")] = None,
    learning_rate: LearningRate = None,
    seed: Seed = None,
) -> None:
    """Stage 2: train only the routers, so that languages to keep go to the frozen expert; all else stays, bit for bit.

    Writes OUTPUT/model, and bits per byte and routing of each language before and after. Ctrl-C and SIGTERM save a
    checkpoint and stop, with exit code 130 and 75; `--resume` goes on from it.

    Example: `multipl-moe review runs/first/model corpora/mine runs/reviewed --learn rust --keep python`
    """
    flags: dict[str, Any] = {"learn": learn, "keep": keep, "seed": seed}
    flags |= {"review.tokens": tokens, "review.learning_rate": learning_rate}
    chosen = recipe_from_flags(recipe, settings, flags)
    require_folders(model=model, corpus=corpus)

    from multipl_moe.report.tables import result_table, routing_table
    from multipl_moe.system.allocator import keep_freed_memory
    from multipl_moe.train.hybrid_recipe import recipe_of_hybrid

    chosen = recipe_of_hybrid(chosen, model)
    progress = "checkpoints/checkpoint-*", "training.json"
    with entered_run(output, resume, "metrics.json", chosen.same_training, *progress):
        keep_freed_memory()
        result = _reviewed(chosen, model, corpus, output)
        metrics = _scored(chosen, model, corpus, output, result)
    console.print(result_table(metrics))
    console.print(routing_table(metrics))
    show_trained(result)


def _scored(recipe: "Recipe", model: Path, corpus: Path, output: Path, result: "TrainResult") -> dict[str, Any]:
    """The content of metrics.json, which is written: bits per byte and routing before and after."""
    from multipl_moe.eval.language_scores import LanguageScores, score_folder
    from multipl_moe.eval.run_metrics import review_metrics
    from multipl_moe.runs.folder import read_json, write_json

    file = output / "scores_before.json"
    if not file.is_file():
        with console.status("scoring the model as it was"):
            write_json(file, score_folder(recipe, model, corpus).to_json())
    with console.status("scoring the reviewed model"):
        after = score_folder(recipe, result.model_folder, corpus)
    metrics = review_metrics(recipe, LanguageScores.from_json(read_json(file)), after, result, against=model)
    write_json(output / "metrics.json", metrics)
    return metrics


def _reviewed(recipe: "Recipe", model: Path, corpus: Path, output: Path) -> "TrainResult":
    """Train, unless that is done and only the scores are missing."""
    from multipl_moe.checkpoints.loading import load_config
    from multipl_moe.eval.language_scores import require_scorable
    from multipl_moe.runs.folder import read_json
    from multipl_moe.train.result import TrainResult
    from multipl_moe.train.review import review_model

    if (output / "training.json").is_file():
        result = TrainResult.from_json(read_json(output / "training.json"))
        if result.stage != "review":
            raise OutputError(f"output: {output} holds a run of `train`; choose another folder")
        return result
    require_scorable(load_config(model), corpus, recipe)
    return trained(review_model, recipe, model, corpus, output)
