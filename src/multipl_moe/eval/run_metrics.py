"""metrics.json: the measured result of a run."""

from typing import Any

from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Health, Measures, Parameters, RunResult
from multipl_moe.train.result import TrainResult


class HybridScores(LanguageScores, Measures):
    """All that is measured of a trained hybrid while it is loaded."""

    parameters: Parameters
    router_health: Health | None = None


def run_metrics(
    recipe: Recipe, before: LanguageScores, after: HybridScores, training: TrainResult, **parts: Any
) -> RunResult:
    """The content of metrics.json; `parts` are other fields of `RunResult`.

    Args:
        recipe: base, languages, eval and seed are used.
        before, after: of the base and of the hybrid.
    """
    measured = {name: value for name, value in vars(after).items() if name != "files"}
    return RunResult(
        **vars(compare_scores(recipe, before, after)),
        **measured,
        tokens=training.tokens,
        seconds=training.seconds,
        learning_rate=training.learning_rate,
        warnings=training.warnings,
        frozen_sha256=training.frozen_sha256,
        seed=recipe.seed,
        against=recipe.base,
        **parts,
    )
