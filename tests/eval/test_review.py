"""metrics.json of a review."""

from pathlib import Path
from typing import Any

import pytest

from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.review import review_metrics, segment_experts, shared_share
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.freezing import Audit
from multipl_moe.train.result import TrainResult
from tests.eval.measured import SUMMARY, only


def _with_routing(scores: LanguageScores, **layer: Any) -> LanguageScores:
    return LanguageScores(scores.files, {name: {6: dict(SUMMARY), 7: SUMMARY | layer} for name in scores.files})


def _metrics(recipe: Recipe, before: LanguageScores, after: LanguageScores, hybrid: Path) -> dict[str, Any]:
    training = TrainResult(
        "review",
        hybrid,
        Audit({"token routers": 77}, 23),
        "abc",
        tokens=4096,
        seconds=2.5,
        steps=4,
        compute_dtype="float32",
    )
    changed = _with_routing(after, shared_share=0.95, segment_load=[0.0, 0.1])
    return review_metrics(recipe, _with_routing(before), changed, training, against=Path("first/model"))


def test_metrics_tell_what_a_training_run_tells_and_the_routing_before_and_after(recipe, before, after, world):
    metrics = _metrics(recipe, before, after, world.hybrid)
    assert metrics.keys() == {
        *("tokens", "seconds", "parameters", "against", "languages", "means", "frozen_sha256", "routing", "seed"),
        "environment",
    }
    assert (metrics["tokens"], metrics["seconds"], metrics["parameters"]["trained"]) == (4096, 2.5, 77)
    row = metrics["languages"]["python"]
    assert row["role"] == "keep"
    assert row["change"] == pytest.approx(0.01)
    assert (row["shared_share_before"], row["shared_share_after"]) == pytest.approx((0.45, 0.7))
    assert (row["segment_experts_before"], row["segment_experts_after"]) == pytest.approx((1.0, 0.55))


def test_a_router_that_is_absent_has_no_number():
    assert segment_experts({6: only("token")}) is None
    assert shared_share({6: only("segment")}) is None
