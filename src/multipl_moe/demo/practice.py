"""The first steps of a demo whose recipe has tasks: a model practises on them, and the corpus gets what passes.

Of a language that the base cannot write nothing would pass, so it may learn source text before (`source_tokens`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.rounds import KEPT_FILE, practise
from multipl_moe.practice.sampler import load_sampler, require_sampler, server_of
from multipl_moe.practice.shown import shown_rounds
from multipl_moe.practice.tasks import read_tasks
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.recipe.recipe import Recipe

FOLDER = "practice"
SOURCE = "source"
"""The run, within that of the demo, of the training on source text."""


def source_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the training on source text alone."""
    learnt = recipe.with_settings("train", tokens=recipe.practice.source_tokens, learning_rate="auto", answers=1.0)
    return learnt.with_settings("practice", tasks=[], source_tokens=0)


def require_possible(recipe: Recipe) -> None:
    """Raise ConfigError where it is said who answers and there are no tasks, or a server's client is not installed."""
    section = recipe.practice
    if not section.tasks and (section.model or section.endpoint or section.chat):
        raise ConfigError("practice.model, practice.endpoint, practice.chat: there are no tasks; give practice.tasks")
    server_of(section)


def require_practice(recipe: Recipe, options: EvalOptions) -> None:
    """Raise UserError, before source text is learnt, where tasks or the model that answers them cannot be read."""
    read_tasks(recipe, options, lambda: require_sampler(recipe.practice, recipe.practice.model or recipe.base))


def practise_tasks(
    recipe: Recipe, model: str, output: Path, options: EvalOptions, tell: Callable[[str], None], console: Console
) -> dict[str, Any]:
    """Let a model, or the recipe's server, answer its tasks; goes on where it stopped.

    What is kept lies in the folder `FOLDER` of the run. `console` shows the yield, and how long the round still takes.

    Raises:
        ConfigError: tasks cannot be read or judged, or too few answers pass.
    """
    task_set = read_tasks(recipe, options)
    tell(task_set.sentence)
    section = recipe.practice
    most = section.rounds * len(task_set.tasks) * section.codegen.num_samples * (1 + section.repairs)
    tell(
        f"at most {most:,} answers to {len(task_set.tasks):,} tasks; after the first of them it says how long they take"
    )
    sampler = load_sampler(section, model, task_set)
    with shown_rounds(console) as on_progress:
        result = practise(recipe, sampler, task_set, output / FOLDER, options, on_progress)
    if result["too_few"]:
        advice = f"{result['advice']}, in another folder (--output)"
        if not result["kept"]:
            raise ConfigError(f"practice: no answer is kept; {advice}")
        raise ConfigError(
            f"practice: {result['yield']:.1%} of the answers pass, too few to learn from; {advice}; or go on with what "
            "is kept (--set practice.min_yield=0)"
        )
    tell(f"{result['kept']:,} answers to {result['tasks_kept']:,} of {result['tasks']:,} tasks are kept")
    return result


def with_kept_answers(recipe: Recipe, output: Path) -> Recipe:
    """The recipe, where it has tasks with what was kept as one source more."""
    if not recipe.practice.tasks:
        return recipe
    kept = SourceSection(kind="answers", path=output / FOLDER / KEPT_FILE)
    return recipe.with_settings("corpus", sources=[*recipe.corpus.sources, kept])
