"""The first step of a demo whose recipe has tasks: a model practises on them, and the corpus gets what passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.one_round import RoundProgress
from multipl_moe.practice.rounds import KEPT_FILE, practise
from multipl_moe.practice.tasks import read_tasks
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.recipe.recipe import Recipe

FOLDER = "practice"
_TOLD_SHARE = 0.1  # of a round, between two lines


def practise_tasks(recipe: Recipe, output: Path, options: EvalOptions, tell: Callable[[str], None]) -> dict[str, Any]:
    """Let `practice.model`, or the base, answer the recipe's tasks; goes on where it stopped.

    What is kept lies in the folder `FOLDER` of the run. The yield is told after the first batch, then now and again.

    Raises:
        ConfigError: tasks cannot be read or judged, or no answer passes.
    """
    told = 0.0

    def on_progress(state: RoundProgress) -> None:
        nonlocal told
        if state.total and state.done > state.resumed and state.done / state.total >= told:
            told = state.done / state.total + _TOLD_SHARE
            tell(f"round {state.round}, {state.done:,} of {state.total:,} answers: {state}")
        elif state.done == 0:
            told = 0.0

    task_set = read_tasks(recipe, options)
    completer = LocalCompleter.load(recipe.practice.model or recipe.base, recipe.practice.codegen)
    result = practise(recipe, completer, task_set, output / FOLDER, options, on_progress)
    if not result["kept"]:
        raise ConfigError(f"practice: no answer is kept; {result['advice']}")
    tell(f"{result['kept']:,} answers to {result['tasks_kept']:,} of {result['tasks']:,} tasks are kept")
    return result


def with_kept_answers(recipe: Recipe, output: Path) -> Recipe:
    """The recipe, where it has tasks with what was kept as one source more."""
    if not recipe.practice.tasks:
        return recipe
    kept = SourceSection(kind="answers", path=output / FOLDER / KEPT_FILE)
    return recipe.with_settings("corpus", sources=[*recipe.corpus.sources, kept])
