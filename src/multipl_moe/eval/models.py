"""`eval`: one model on held-out files, or two and the difference between them, or how far one moved from the other."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.eval.language_scores import score_folder
from multipl_moe.eval.movement.panel import movement_of
from multipl_moe.eval.outcome import outcome_sentence
from multipl_moe.eval.score_changes import compare_scores, describe_scores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.versions import environment


def evaluate_models(recipe: Recipe, model: Path, corpus: Path, against: str | None) -> dict[str, Any]:
    """Bits per byte by language.

    Args:
        recipe: languages, eval and seed are used.
        model: folder of the model, dense or hybrid.
        corpus: folder that `build_corpus` wrote.
        against: a second model, scored first; None scores `model` alone.

    Returns:
        JSON-ready; with `against`, the keys of metrics.json for sentence, languages and means.
    """
    before = score_folder(recipe, resolve_base(against), corpus) if against is not None else None
    after = score_folder(recipe, model, corpus)
    if before is None:
        result = describe_scores(recipe, after)
    else:
        changes = compare_scores(recipe, before, after)
        result = {"sentence": outcome_sentence(recipe, changes)} | changes
    return result | {"routing": after.routing} | _origin(recipe, model, against)


def evaluate_movement(recipe: Recipe, model: Path, corpus: Path, against: str) -> dict[str, Any]:
    """How far a model in a folder is from the base `against`: under `moved` what `movement_of` tells, JSON-ready."""
    moved = movement_of(recipe, against, load_model(model), AutoTokenizer.from_pretrained(model), corpus)
    return {"moved": moved} | _origin(recipe, model, against)


def _origin(recipe: Recipe, model: Path, against: str | None) -> dict[str, Any]:
    return {
        "model": str(model),
        "against": against,
        "seed": recipe.seed,
        "recipe": recipe.to_values(),
        "environment": environment(),
    }
