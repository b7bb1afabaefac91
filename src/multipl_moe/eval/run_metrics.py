"""metrics.json: the measured result of a run."""

from typing import Any

from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.result import TrainResult


def run_metrics(
    recipe: Recipe,
    comparison: dict[str, Any],
    training: TrainResult,
    *,
    parameters: dict[str, int],
    health: dict[str, Any],
    routing: dict[str, Any],
    environment: dict[str, Any],
) -> dict[str, Any]:
    """The whole content of metrics.json; the keyword arguments are JSON-ready parts of it."""
    return {
        "tokens": training.tokens,
        "seconds": training.seconds,
        "parameters": parameters,
        "against": recipe.base,
        **comparison,
        "frozen_sha256": training.frozen_sha256,
        "router_health": health,
        "routing": routing,
        "seed": recipe.seed,
        "environment": environment,
    }
