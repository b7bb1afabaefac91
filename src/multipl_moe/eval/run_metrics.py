"""metrics.json: the measured result of a run."""

from typing import Any

from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Measures, RunResult
from multipl_moe.train.result import TrainResult


def run_metrics(
    recipe: Recipe,
    before: LanguageScores,
    after: LanguageScores,
    training: TrainResult,
    measures: Measures,
    **parts: Any,
) -> RunResult:
    """The content of metrics.json; `parts` are other fields of `RunResult`.

    Args:
        recipe: languages, eval and seed are used.
        before, after: scores of the model in `against` and of the trained one.
        training: what was done.
        measures: of the trained model.
    """
    return RunResult(
        **(vars(compare_scores(recipe, before, after)) | vars(measures)),
        tokens=training.tokens,
        seconds=training.seconds,
        learning_rate=training.learning_rate,
        warnings=training.warnings,
        frozen_sha256=training.frozen_sha256,
        routing=after.routing,
        seed=recipe.seed,
        **parts,
    )
