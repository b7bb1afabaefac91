"""What the verbs that train share: the table of what is read, with what its reader should know."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from multipl_moe.cli.app import console

if TYPE_CHECKING:
    from multipl_moe.data.training_data import MixtureSummary
    from multipl_moe.recipe.recipe import Recipe


def data_shown(recipe: "Recipe") -> "Callable[[MixtureSummary], None]":
    """Tells what a run of the recipe reads, and which languages get nothing or less than was asked for."""
    from multipl_moe.report.corpus_tables import mixture_table

    def show(summary: "MixtureSummary") -> None:
        console.print(mixture_table(summary, recipe.language_table))
        for line in summary.warnings:
            console.print(line, highlight=False)

    return show
