"""Signs of collapse: each is seen where it is, says what to change, and is told once. Health in words and numbers."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.router_watch import collapse_signs, describe_health, router_scalars
from tests.conftest import tiny_hybrid, tiny_routing

_HEALTHY: dict[str, Any] = {
    "token_load": [0.3, 0.4, 0.3, 1.0],
    "token_entropy": 0.9,
    "dead_token_experts": 0,
    "segment_load": [0.3, 0.35, 0.33],
    "segment_entropy": 0.8,
    "dead_segment_experts": 0,
    "threshold": [0.3, 0.3, 0.3],
}


def _signs(moe: RoutingConfig | None = None, **changes: Any) -> dict[str, str]:
    return collapse_signs({5: _HEALTHY, 7: _HEALTHY | changes}, moe or tiny_routing())


def test_healthy_layers_show_none():
    assert _signs() == {}
    assert collapse_signs({}, tiny_routing()) == {}


@pytest.mark.parametrize(
    ("kind", "changes", "seen"),
    [
        ("dead token experts", {"dead_token_experts": 2}, "2 token experts get next to nothing"),
        ("dead segment experts", {"dead_segment_experts": 1}, "1 segment experts get next to nothing"),
        ("token entropy", {"token_entropy": 0.01}, "entropy 0.010 of 1"),
        ("segment entropy", {"segment_entropy": 0.04}, "entropy 0.040 of 1"),
        ("token load", {"token_load": [0.1, 0.45, 0.45, 1.0]}, "0.30 to 1.35 times"),
        ("segment load", {"segment_load": [0.7, 0.2, 0.2]}, "0.60 to 2.10 times"),
        ("segment load", {"segment_load": [0.0, 0.3, 0.3]}, "0.00 to 0.90 times"),
    ],
)
def test_each_sign_names_layer_finding_and_key(kind: str, changes: dict[str, Any], seen: str):
    signs = _signs(**changes)
    assert list(signs) == [kind]
    assert signs[kind].startswith("layer 7: ")
    assert seen in signs[kind]
    keys = {f"train.{name}" for name in Recipe.model_fields["train"].annotation.model_fields}  # pyright: ignore
    assert any(key in signs[kind] for key in keys)


def test_capacity_makes_the_fair_share():
    layers = {1: _HEALTHY | {"segment_load": [0.7, 0.7, 0.7]}}
    assert list(collapse_signs(layers, tiny_routing())) == ["segment load"]
    assert collapse_signs(layers, tiny_routing(segment_capacity=2.0)) == {}


def test_the_worst_layer_is_named():
    worse, bad = _HEALTHY | {"token_entropy": 0.01}, _HEALTHY | {"token_entropy": 0.03}
    assert collapse_signs({1: bad, 2: worse, 3: bad}, tiny_routing())["token entropy"].startswith("layer 2: ")


def test_each_kind_is_told_once(tmp_path: Path):
    told = io.StringIO()
    model = tiny_hybrid()
    progress: Any = TrainingProgress(tmp_path, 1, Console(file=told, width=200))
    state: Any = SimpleNamespace(max_steps=3, global_step=0)
    summary = _HEALTHY | {"token_entropy": 0.01}
    with progress:
        progress.on_train_begin(None, state, None, model=model)
        for extra in ({}, {"dead_token_experts": 1}, {}):
            statistics = SimpleNamespace(summary=lambda extra=extra: summary | extra)
            statistics.over = lambda ranks, statistics=statistics: statistics
            progress._statistics = {1: statistics}
            progress.on_log(None, state, None, {"loss": 1.0, "learning_rate": 0.1})
    lines = [line for line in told.getvalue().splitlines() if line.startswith("warning: ")]
    assert len(lines) == 2
    assert "all but certain" in lines[0]
    assert "next to nothing" in lines[1]


def test_health_in_words_counts_dead_experts_and_leaves_out_the_shared_one():
    layers = {
        1: {"token_load": [0.1, 0.3, 1.0], "dead_token_experts": 0, "segment_load": [0.5, 0.5]},
        2: {"token_load": [0.2, 0.2, 1.0], "dead_token_experts": 1, "dead_segment_experts": 1},
    }
    moe = tiny_routing()
    assert describe_health(layers, moe) == "token load 0.5-1.5x, segment load 1.0-1.0x, 2 dead"
    loads = {1: {"segment_load": [0.1, 0.3]}}
    assert describe_health(loads, moe) == "segment load 0.2-0.6x, none dead"
    assert describe_health(loads, tiny_routing(segment_capacity=0.5)) == "segment load 0.4-1.2x, none dead"
    assert describe_health({}, moe) == ""
    alone = {1: {"segment_load": [1.0], "dead_segment_experts": 0}}
    assert describe_health(alone, None) == "", "one expert has nothing to be judged"


def test_router_health_becomes_single_numbers():
    layers = {3: {"token_load": [0.2, 0.4, 1.0], "token_entropy": 0.9, "threshold": [0.1, 0.3]}}
    assert router_scalars(layers) == {
        "routers/3/token_load_min": 0.2,
        "routers/3/token_load_max": 0.4,
        "routers/3/token_entropy": 0.9,
        "routers/3/threshold_min": 0.1,
        "routers/3/threshold_max": 0.3,
    }
