"""Thresholds after a review: the share of what is to learn, raised until what is to keep stays out."""

import pytest
import torch
from torch import Tensor

from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import observe_routing
from multipl_moe.train.review_calibration import calibrate_after_review
from tests.conftest import random_tokens, tiny_hybrid

_LEARN = [{"input_ids": random_tokens(8, 32, seed=seed)} for seed in (1, 2)]
_KEEP = [{"input_ids": random_tokens(8, 32, seed=3)}]


def _observe(model: MultiplMoeForCausalLM, batches: list[dict[str, Tensor]]) -> tuple[Tensor, list[float]]:
    """Gates and loads of the first hybrid layer, whose input no threshold changes."""
    with torch.no_grad(), observe_routing(model) as statistics:
        for batch in batches:
            model.model(**batch)
    return torch.cat(statistics[1].gates), statistics[1].segment_load


@pytest.mark.parametrize("keep_load", [0.05, 0.3, 1.0])
def test_a_threshold_is_the_higher_one_of_what_both_roles_ask_for(keep_load: float):
    model = tiny_hybrid()
    learn, keep = (_observe(model, batches)[0] for batches in (_LEARN, _KEEP))
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=keep_load)
    expected = torch.maximum(quantile_threshold(learn, 1.0), quantile_threshold(keep, 3 * keep_load))
    assert torch.equal(model.hybrid_layers[1].segment_threshold, expected)
    assert torch.equal(expected, quantile_threshold(learn, 1.0)) == (keep_load == 1)
    assert max(_observe(model, _KEEP)[1]) <= max(keep_load, 1 / 3) + 0.1
    if keep_load == 0.05:
        assert max(_observe(model, _KEEP)[1]) <= keep_load + 1 / 64


def test_deeper_layers_are_set_for_what_the_thresholds_before_them_let_through():
    model = tiny_hybrid()
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1, passes=1)
    with torch.no_grad(), observe_routing(model) as statistics:
        for batch in _LEARN:
            model.model(**batch)
    with torch.no_grad(), observe_routing(model) as kept:
        for batch in _KEEP:
            model.model(**batch)
    learn, keep = torch.cat(statistics[2].gates), torch.cat(kept[2].gates)
    expected = torch.maximum(quantile_threshold(learn, 1.0), quantile_threshold(keep, 0.3))
    assert not torch.equal(model.hybrid_layers[2].segment_threshold, expected)
    again = tiny_hybrid()
    calibrate_after_review(again, iter(_LEARN), iter(_KEEP), keep_load=0.1, passes=2)
    torch.testing.assert_close(again.hybrid_layers[2].segment_threshold, expected, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_but_the_thresholds_changes(training: bool):
    model = tiny_hybrid().train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed == {f"model.layers.{layer}.mlp.segment_threshold" for layer in (1, 2)}
    assert model.training == training
    assert all(layer.observer is None for layer in model.hybrid_layers.values())


@pytest.mark.parametrize("preset", ["token-only", "moe-lpr", "paper"])
def test_models_without_thresholds_stay_as_they_are_and_do_not_even_run(preset: str, monkeypatch: pytest.MonkeyPatch):
    model = tiny_hybrid(preset)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def fail(**kwargs) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(model.model, "forward", fail)
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
