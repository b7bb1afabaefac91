"""`eval`: one model on held-out files, or two and the difference between them, or a measure of one against its base."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.eval.language_scores import LanguageScores, score_folder
from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.outcome import outcome_sentence
from multipl_moe.eval.score_changes import compare_scores, describe_scores
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import EvaluatedChanges, EvaluatedMeasure, EvaluatedScores
from multipl_moe.system.versions import environment

OnProgress = Callable[[int, int], None]


def evaluate_model(
    recipe: Recipe, model: Path, corpus: Path, on_progress: OnProgress = lambda done, total: None
) -> EvaluatedScores:
    """Bits per byte by language; arguments as those of `evaluate_models`."""
    (scores,) = _scored(recipe, [model], corpus, on_progress)
    found = vars(describe_scores(recipe, scores))
    return EvaluatedScores(**found, routing=scores.routing, **_origin(recipe, model, None))


def evaluate_models(
    recipe: Recipe,
    model: Path,
    corpus: Path,
    against: str,
    on_progress: OnProgress = lambda done, total: None,
) -> EvaluatedChanges:
    """Bits per byte by language before, of `against`, and after, of the model in a folder, dense or hybrid.

    `on_progress` is told after each language of a model how many are done, of how many.
    """
    before, after = _scored(recipe, [resolve_base(against), model], corpus, on_progress)
    changes = compare_scores(recipe, before, after)
    found = vars(changes.but(sentence=outcome_sentence(recipe, changes)))
    return EvaluatedChanges(**found, routing=after.routing, **_origin(recipe, model, against))


def evaluate_measure(
    recipe: Recipe,
    name: str,
    model: Path,
    corpus: Path,
    against: str,
    on_progress: OnProgress = lambda done, total: None,
) -> EvaluatedMeasure:
    """One of `MEASURES` of a model in a folder against its base; `on_progress` is told tokens read, of how many."""
    tokenizer = load_tokenizer(model)
    found = {name: MEASURES[name].measure(recipe, against, load_model(model), tokenizer, corpus, on_progress)}
    return EvaluatedMeasure(**found, **_origin(recipe, model, against))


def _scored(recipe: Recipe, models: list[Path], corpus: Path, on_progress: OnProgress) -> Iterator[LanguageScores]:
    done, total = count(1), len(models) * len(recipe.languages)
    return (score_folder(recipe, model, corpus, lambda name: on_progress(next(done), total)) for model in models)


def _origin(recipe: Recipe, model: Path, against: str | None) -> dict[str, Any]:
    return {
        "model": str(model),
        "against": against,
        "seed": recipe.seed,
        "recipe": recipe.to_values(),
        "environment": environment(),
    }
