"""The verdict on routers: both modes on the same text, and every bound."""

import json
from typing import Any

import pytest
import torch

from multipl_moe import MultiplMoeConfig
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus.documents import read_documents
from multipl_moe.data.calibration_data import calibration_batches
from multipl_moe.eval import router_health as module
from multipl_moe.eval.router_health import router_health
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.moe_config import PRESETS
from multipl_moe.model.router_health import RouterHealth
from tests.conftest import randomise, tiny_base_config, tiny_moe
from tests.train.tiny import World

_KEYS = {
    "min_load_ratio",
    "max_load_ratio",
    "load_ratios",
    "max_mode_difference",
    "dead_experts",
    "layers",
    "is_healthy",
}


@pytest.fixture
def model(world: World) -> MultiplMoeForCausalLM:
    """Routers that decide, with thresholds that fit them."""
    model = load_hybrid(world.hybrid)
    for index, layer in model.hybrid_layers.items():
        randomise(layer.segment_router, seed=index)
        layer.segment_start.data.copy_(10 * layer.segment_router.weight[0])
    calibrate_routing(model, calibration_batches(world.recipe, world.corpus, load_tokenizer(world.base)))
    return model


def _health(model, tokenizer, world: World) -> RouterHealth:
    return router_health(model, tokenizer, world.corpus, world.recipe)


def test_both_modes_see_the_same_text_of_all_languages_mixed(model, tokenizer, world: World, monkeypatch):
    seen: list[tuple[bool, torch.Tensor]] = []
    forward = model.model.forward

    def note(**kwargs):
        seen.append((model.model.routes_as_in_training, kwargs["input_ids"]))
        return forward(**kwargs)

    monkeypatch.setattr(model.model, "forward", note)
    _health(model, tokenizer, world)
    evaluated = [row for training, batch in seen if not training for row in batch.tolist()]
    trained = [row for training, batch in seen if training for row in batch.tolist()]
    turns = [evaluated[begin : begin + 4] for begin in range(0, len(evaluated), 4)]
    assert trained == [row for turn in turns[::2] for row in turn]
    assert {len(batch) for training, batch in seen if training} == {world.recipe.train.batch_sequences}
    assert len(evaluated) % 4 == 0
    for number, language in enumerate(["rust", "go", "python", "english"]):
        texts = [tokenizer(file.text)["input_ids"] for file in read_documents(world.corpus, "validation", language)]
        windows = [(text[begin : begin + 32] + [0] * 32)[:32] for text in texts for begin in range(len(text))]
        assert all(row in windows for row in evaluated[number::4]), language


def test_numbers_are_the_extremes_over_layers_experts_and_kinds_and_become_json(model, tokenizer, world: World):
    health = _health(model, tokenizer, world)
    layers = health.layers.values()
    segments = [3 * load for layer in layers for load in layer["segment_load"]]
    tokens = [3 * load for layer in layers for load in layer["token_load"][:-1]]  # each token has one of three
    assert health.load_ratios == {
        "token": pytest.approx([min(tokens), max(tokens)]),
        "segment": pytest.approx([min(segments), max(segments)]),
    }
    assert health.min_load_ratio == pytest.approx(min(tokens + segments))
    assert health.max_load_ratio == pytest.approx(max(tokens + segments))
    keys = ("token_load", "segment_load")
    pairs = [pair for layer in layers for key in keys for pair in zip(layer[key], layer[f"train_{key}"], strict=True)]
    assert health.max_mode_difference == pytest.approx(max(abs(load - other) / other for load, other in pairs))
    assert health.max_mode_difference > 0
    values = json.loads(json.dumps(health.to_json()))
    assert set(values) == _KEYS
    assert values["is_healthy"] == health.is_healthy
    assert set(values["layers"]) == {"1", "2"}
    assert len(values["layers"]["1"]["train_segment_load"]) == 3


@pytest.mark.parametrize("training", [True, False])
def test_model_comes_back_as_it_was(model, tokenizer, world: World, training: bool, monkeypatch):
    monkeypatch.setattr(module, "EVAL_ROWS", 5)  # several batches: each but the last would move the thresholds
    model.train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _health(model, tokenizer, world)
    assert model.training == training
    assert [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])] == []
    torch.optim.SGD(model.parameters(), lr=0.0).step()
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before), "quantiles of the check were kept"


def test_thresholds_that_lag_behind_and_collapsed_routers_are_unhealthy(model, tokenizer, world: World):
    first, second = model.hybrid_layers.values()
    for layer in (first, second):
        layer.segment_threshold.mul_(0.7)
    health = _health(model, tokenizer, world)
    assert health.max_mode_difference > 0.15
    assert not health.is_healthy
    first.token_router.weight.data.zero_()  # ties always go to the same expert
    second.segment_threshold.copy_(torch.tensor([0.0, 2.0, 2.0]))
    health = _health(model, tokenizer, world)
    assert health.load_ratios["token"] == health.load_ratios["segment"] == [0, pytest.approx(3)]
    assert (health.layers[1]["dead_token_experts"], health.dead_experts) == (2, 4)
    assert not health.is_healthy


_GOOD: dict[str, Any] = {
    "load_ratios": {"token": [0.5, 2.0], "segment": [0.5, 2.0]},
    "max_mode_difference": 0.15,
    "dead_experts": 0,
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("load_ratios", {"token": [0.49, 1.0], "segment": [1.0, 1.0]}),
        ("load_ratios", {"token": [1.0, 2.01], "segment": [1.0, 1.0]}),
        ("load_ratios", {"token": [1.0, 1.0], "segment": [0.49, 1.0]}),
        ("load_ratios", {"token": [1.0, 1.0], "segment": [1.0, 2.01]}),
        ("max_mode_difference", 0.16),
        ("dead_experts", 1),
    ],
)
def test_each_bound_alone_decides(key: str, value: Any):
    assert RouterHealth(**_GOOD).is_healthy
    changed: dict[str, Any] = _GOOD | {key: value}
    assert not RouterHealth(**changed).is_healthy


def test_models_are_judged_by_the_kinds_of_experts_that_have_a_choice(world: World, tokenizer):
    token_only, single = (
        MultiplMoeForCausalLM(
            MultiplMoeConfig(text_config=tiny_base_config(vocab_size=300), moe=tiny_moe(preset).to_dict())
        )
        for preset in ("token-only", "single")
    )
    randomise(token_only)
    health = _health(token_only, tokenizer, world)
    assert list(health.load_ratios) == ["token"]
    assert health.min_load_ratio < 0.5
    assert not health.is_healthy
    assert "train_segment_load" not in health.layers[1]
    health = _health(single, tokenizer, world)
    assert (health.load_ratios, health.is_healthy) == ({}, True)
    assert [name for name in PRESETS if not PRESETS[name].has_choice] == ["single", "pack"]
