"""What the verbs that train share: what is told before a run, while it goes on and after it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from multipl_moe.cli.app import console

if TYPE_CHECKING:
    from multipl_moe.data.training_data import MixtureSummary
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.train.freezing import TrainableParameters
    from multipl_moe.train.result import TrainResult


def trained(
    train: "Callable[..., TrainResult]", recipe: "Recipe", model: Path, corpus: Path, output: Path
) -> "TrainResult":
    """Train with a bar and with tables of what trains and of what is read.

    Args:
        train: `train_model` or `review_model`.
        recipe, model, corpus, output: as these take them.
    """
    from multipl_moe.report.corpus_tables import mixture_table
    from multipl_moe.report.tables import audit_table
    from multipl_moe.runs.folder import open_run
    from multipl_moe.train.callbacks import INTERRUPT_NOTE
    from multipl_moe.train.progress import TrainingProgress
    from multipl_moe.train.setup import tokens_per_step

    def begin(audit: "TrainableParameters") -> None:
        open_run(output, recipe)
        console.print(audit_table(audit))

    def show(summary: "MixtureSummary") -> None:
        console.print(mixture_table(summary, recipe.language_table))
        for line in summary.warnings:
            console.print(line, highlight=False)

    with TrainingProgress(output, tokens_per_step(recipe.train), console) as progress:
        return train(
            recipe,
            model,
            corpus,
            output,
            callbacks=[progress],
            on_audit=begin,
            on_data=show,
            on_interrupt=lambda: console.print(INTERRUPT_NOTE),
        )


def show_trained(result: "TrainResult") -> None:
    """What a run has used and where its model is."""
    console.print(f"{result.tokens:,} tokens in {result.seconds:.0f} s; model: {result.model_folder}", highlight=False)
    console.print(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)", highlight=False)
