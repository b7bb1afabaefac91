"""What a review changed: bits per byte and routing of each language, before and after."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.eval.language_scores import LanguageScores, Routing, score_languages
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.versions import environment
from multipl_moe.train.result import TrainResult


def score_hybrid(recipe: Recipe, folder: Path, corpus: Path) -> LanguageScores:
    """Bits per byte and routing of the hybrid in `folder` on the corpus's held-out files."""
    return score_languages(load_hybrid(folder), AutoTokenizer.from_pretrained(folder), corpus, recipe)


def review_metrics(
    recipe: Recipe, before: LanguageScores, after: LanguageScores, training: TrainResult, *, against: Path
) -> dict[str, Any]:
    """The content of metrics.json after a review: keys of a training run, with the routing before and after.

    Args:
        recipe: languages, eval and seed are used.
        before, after: scores of the model in `against` and of the reviewed one.
        training: what the review did.
        against: folder of the model that was reviewed.
    """
    comparison = compare_scores(recipe, before, after)
    for name, row in comparison["languages"].items():
        for when, scores in {"before": before, "after": after}.items():
            row[f"shared_share_{when}"] = shared_share(scores.routing[name])
            row[f"segment_experts_{when}"] = segment_experts(scores.routing[name])
    counts = count_parameters(load_hybrid(training.model_folder).config)
    return {
        "tokens": training.tokens,
        "seconds": training.seconds,
        "parameters": counts.to_json() | {"trained": training.audit.num_trained},
        "against": str(against),
        **comparison,
        "frozen_sha256": training.frozen_sha256,
        "routing": after.routing,
        "seed": recipe.seed,
        "environment": environment(),
    }


def shared_share(routing: Routing) -> float | None:
    """Mean gate of the shared expert over tokens and layers; None without a token router."""
    return _mean([layer["shared_share"] for layer in routing.values() if "shared_share" in layer])


def segment_experts(routing: Routing) -> float | None:
    """Mean number of experts that take a segment, over segments and layers; None without a segment router."""
    return _mean([sum(layer["segment_load"]) for layer in routing.values() if "segment_load" in layer])


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
