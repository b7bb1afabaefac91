"""`eval`: one model on held-out files, or two and the difference between them, or a measure of one against its base."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.eval.language_scores import score_folder
from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.outcome import outcome_sentence
from multipl_moe.eval.score_changes import compare_scores, describe_scores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import EvaluatedChanges, EvaluatedMeasure, EvaluatedScores
from multipl_moe.system.versions import environment


def evaluate_model(recipe: Recipe, model: Path, corpus: Path) -> EvaluatedScores:
    """Bits per byte by language; arguments as those of `evaluate_models`."""
    scores = score_folder(recipe, model, corpus)
    found = vars(describe_scores(recipe, scores))
    return EvaluatedScores(**found, routing=scores.routing, **_origin(recipe, model, None))


def evaluate_models(recipe: Recipe, model: Path, corpus: Path, against: str) -> EvaluatedChanges:
    """Bits per byte by language before and after.

    Args:
        recipe: languages, eval and seed are used.
        model: folder of the model, dense or hybrid.
        corpus: folder that `build_corpus` wrote.
        against: the model before, scored first.
    """
    before = score_folder(recipe, resolve_base(against), corpus)
    after = score_folder(recipe, model, corpus)
    changes = compare_scores(recipe, before, after)
    found = vars(changes.but(sentence=outcome_sentence(recipe, changes)))
    return EvaluatedChanges(**found, routing=after.routing, **_origin(recipe, model, against))


def evaluate_measure(recipe: Recipe, name: str, model: Path, corpus: Path, against: str) -> EvaluatedMeasure:
    """One of `MEASURES` of a model in a folder against its base."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    found = {name: MEASURES[name].measure(recipe, against, load_model(model), tokenizer, corpus)}
    return EvaluatedMeasure(**found, **_origin(recipe, model, against))


def _origin(recipe: Recipe, model: Path, against: str | None) -> dict[str, Any]:
    return {
        "model": str(model),
        "against": against,
        "seed": recipe.seed,
        "recipe": recipe.to_values(),
        "environment": environment(),
    }
