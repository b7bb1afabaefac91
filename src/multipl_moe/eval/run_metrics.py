"""metrics.json: the measured result of a run, and of a review."""

from pathlib import Path
from typing import Any

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.eval.language_scores import LanguageScores, Routing
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.versions import environment
from multipl_moe.train.result import TrainResult


def run_metrics(
    recipe: Recipe, before: LanguageScores, after: LanguageScores, training: TrainResult, **parts: Any
) -> dict[str, Any]:
    """The whole content of metrics.json; `parts` are JSON-ready: parameters, against, environment, router_health.

    Args:
        recipe: languages, eval and seed are used.
        before, after: scores of the model in `against` and of the trained one.
        training: what was done.
    """
    return {
        "tokens": training.tokens,
        "seconds": training.seconds,
        **compare_scores(recipe, before, after),
        "frozen_sha256": training.frozen_sha256,
        "routing": after.routing,
        "seed": recipe.seed,
        **parts,
    }


def review_metrics(
    recipe: Recipe, before: LanguageScores, after: LanguageScores, training: TrainResult, *, against: Path
) -> dict[str, Any]:
    """The content of metrics.json after a review of the model in `against`, with the routing before and after."""
    counts = count_parameters(load_hybrid(training.model_folder).config).to_json()
    metrics = run_metrics(
        recipe,
        before,
        after,
        training,
        parameters=counts | {"trained": training.audit.num_trained},
        against=str(against),
        environment=environment(),
    )
    for name, row in metrics["languages"].items():
        for when, scores in {"before": before, "after": after}.items():
            row[f"shared_share_{when}"] = shared_share(scores.routing[name])
            row[f"segment_experts_{when}"] = segment_experts(scores.routing[name])
    return metrics


def shared_share(routing: Routing) -> float | None:
    """Mean gate of the shared expert over tokens and layers; None without a token router."""
    return _mean([layer["shared_share"] for layer in routing.values() if "shared_share" in layer])


def segment_experts(routing: Routing) -> float | None:
    """Mean number of experts that take a segment, over segments and layers; None without a segment router."""
    return _mean([sum(layer["segment_load"]) for layer in routing.values() if "segment_load" in layer])


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
