"""Calibration stores the quantiles of the gates, and touches nothing else."""

from typing import Any

import pytest
import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.data.calibration_data import calibration_batches
from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import LayerStatistics, observe_batches
from tests import reference
from tests.conftest import random_tokens, randomise, tiny_hybrid
from tests.train.tiny import World

Batches = list[dict[str, torch.Tensor]]


@pytest.fixture
def model(world: World) -> MultiplMoeForCausalLM:
    """Routers that decide, and start vectors that lie far from every quantile: first segments tie there."""
    model = load_hybrid(world.hybrid)
    for index, layer in model.hybrid_layers.items():
        randomise(layer.segment_router, seed=index)
        layer.segment_start.data.copy_(10 * layer.segment_router.weight[0])
    return model


@pytest.fixture(scope="module")
def batches(world: World) -> Batches:
    return list(calibration_batches(world.recipe, world.corpus, load_tokenizer(world.base)))


def _observe(model: MultiplMoeForCausalLM, batches: Batches) -> LayerStatistics:
    """Of the first hybrid layer."""
    statistics = LayerStatistics()
    observe_batches(model.model, {1: statistics}, batches)
    return statistics


def test_every_expert_of_the_first_hybrid_layer_serves_its_share_of_the_calibration_text(model, batches):
    for layer in model.hybrid_layers.values():
        randomise(layer.token_router)
    before = _observe(model, batches)
    assert max(before.segment_load) > 0.4
    assert min(before.token_load[:-1]) * 3 < 0.7
    calibrate_routing(model, batches)
    after = _observe(model, batches)
    counts = after.segment_counts
    assert counts is not None
    assert (counts - after.num_segments / 3).abs().max() <= 1
    assert after.num_segments > 250
    assert 0.95 < min(after.token_load[:-1]) * 3 <= max(after.token_load[:-1]) * 3 < 1.05


def test_thresholds_are_the_quantiles_of_the_gates_as_they_are_in_training(model, batches):
    gates: dict[int, list[torch.Tensor]] = {index: [] for index in model.hybrid_layers}

    def note(layer: Any, plan: Any, routed: Any) -> None:
        gates[layer.index].append(routed.segments.gates)

    observe_batches(model.model, dict.fromkeys(gates, note), batches, as_in_training=True)
    calibrate_routing(model, iter(batches))
    for index, layer in model.hybrid_layers.items():
        columns = torch.cat(gates[index]).t().tolist()
        expected = [reference.stored_threshold(column, layer.moe.segment_capacity, 3) for column in columns]
        assert layer.segment_threshold.tolist() == pytest.approx(expected, abs=2e-6)


def test_it_routes_as_in_training_and_changes_nothing_but_thresholds_and_biases(model, batches):
    modes = []
    model.train().model.register_forward_pre_hook(
        lambda decoder, args: modes.append((decoder.training, decoder.routes_as_in_training))
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calibrate_routing(model, batches)
    assert modes == [(False, True)] * len(batches)
    after = model.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{i}.mlp.{name}" for i in (1, 2) for name in ("segment_threshold", "token_bias")}
    assert model.training
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_quantiles_of_earlier_batches_do_not_move_the_thresholds_afterwards(model, batches):
    model.train()
    model(**batches[0])
    calibrate_routing(model, batches)
    stored = {index: layer.segment_threshold.clone() for index, layer in model.hybrid_layers.items()}
    torch.optim.SGD(model.parameters(), lr=0.0).step()
    for index, layer in model.hybrid_layers.items():
        assert torch.equal(layer.segment_threshold, stored[index])


def test_models_that_store_nothing_do_not_even_run(monkeypatch):
    model = tiny_hybrid("paper")
    monkeypatch.setattr(model.model, "forward", None)
    calibrate_routing(model, [{"input_ids": random_tokens(2, 12)}])


@pytest.mark.parametrize("batches", [[], [{"input_ids": random_tokens(2, 5), "attention_mask": torch.zeros(2, 5)}]])
def test_text_without_tokens_is_refused(batches: Batches):
    with pytest.raises(ConfigError, match="batches: "):
        calibrate_routing(tiny_hybrid(), batches)
