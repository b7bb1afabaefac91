"""metrics.json of a run and of a review: its keys are frozen."""

import json
from pathlib import Path
from typing import Any

import pytest

from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.run_metrics import review_metrics, segment_experts, shared_share
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.freezing import TrainableParameters
from multipl_moe.train.result import TrainResult
from tests.eval.measured import SUMMARY, only

_KEYS = {"tokens", "seconds", "parameters", "languages", "against", "means", "frozen_sha256", "routing", "seed"}


def test_keys_are_frozen(metrics):
    assert set(metrics) == _KEYS | {"environment", "router_health", "sentence"}
    assert set(metrics["parameters"]) == {"total", "active", "trained"}
    for row in metrics["languages"].values():
        assert set(row) == {"title", "role", "bpb_before", "bpb_after", "change", "interval", "files", "bytes"}
    for row in metrics["means"].values():
        assert set(row) == {"change", "interval"}
    read = json.loads(json.dumps(metrics))
    assert (read["languages"], read["means"]) == (metrics["languages"], metrics["means"])


def test_values_are_those_of_the_run(metrics):
    assert (metrics["tokens"], metrics["seconds"], metrics["seed"]) == (12_345, 67.0, 4711)
    assert metrics["frozen_sha256"] == "ab" * 32
    roles = {name: row["role"] for name, row in metrics["languages"].items()}
    assert roles == {"rust": "learn", "cpp": "learn", "python": "keep", "english": "keep"}
    assert metrics["languages"]["rust"] == {
        "title": "Rust",
        "role": "learn",
        "bpb_before": 2.0,
        "bpb_after": 1.6,
        "change": pytest.approx(-0.2),
        "interval": [pytest.approx(-0.2)] * 2,
        "files": 3,
        "bytes": 300,
    }


def _with_routing(scores: LanguageScores, **layer: Any) -> LanguageScores:
    return LanguageScores(scores.files, {name: {6: dict(SUMMARY), 7: SUMMARY | layer} for name in scores.files})


def _review_metrics(recipe: Recipe, before: LanguageScores, after: LanguageScores, hybrid: Path) -> dict[str, Any]:
    audit = TrainableParameters({"token routers": 77}, 23)
    training = TrainResult("review", hybrid, audit, "abc", tokens=4096, seconds=2.5, steps=4, compute_dtype="float32")
    changed = _with_routing(after, shared_share=0.95, segment_load=[0.0, 0.1])
    return review_metrics(recipe, _with_routing(before), changed, training, against=Path("first/model"))


def test_a_review_tells_what_a_training_run_tells_and_the_routing_before_and_after(recipe, before, after, world):
    metrics = _review_metrics(recipe, before, after, world.hybrid)
    assert metrics.keys() == _KEYS | {"environment"}
    assert (metrics["tokens"], metrics["seconds"], metrics["parameters"]["trained"]) == (4096, 2.5, 77)
    row = metrics["languages"]["python"]
    assert row["role"] == "keep"
    assert row["change"] == pytest.approx(0.01)
    assert (row["shared_share_before"], row["shared_share_after"]) == pytest.approx((0.45, 0.7))
    assert (row["segment_experts_before"], row["segment_experts_after"]) == pytest.approx((1.0, 0.55))


def test_a_router_that_is_absent_has_no_number():
    assert segment_experts({6: only("token")}) is None
    assert shared_share({6: only("segment")}) is None
