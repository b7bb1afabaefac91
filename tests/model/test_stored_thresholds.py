"""Stored thresholds survive what people do with a Hugging Face model: sampling, casting, accumulation, contrast."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Trainer

from multipl_moe.model.calibration import calibrate_routing
from tests import reference
from tests.conftest import random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY, gradients_of, step_in_place
from tests.train.tiny import trainer_arguments

_DECAY = 0.9


def _stored(model: Any) -> list[Tensor]:
    """What the routers choose by, of all layers."""
    return [buffer.clone() for layer in model.hybrid_layers.values() for buffer in layer.buffers()]


def _are_equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(some, others, strict=True))


# Passes that are not training


def _generate(model: Any) -> None:
    tokens = random_tokens(2, 9)
    model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=8, **GREEDY)


@torch.no_grad()
def _measure_loss(model: Any) -> None:
    for seed in range(3):
        model(input_ids=random_tokens(2, 20, seed=seed), labels=random_tokens(2, 20, seed=seed))


def _evaluate(model: Any) -> None:
    model.eval()(input_ids=random_tokens(3, 22))
    model.train()


def _pass_with_a_cache(model: Any) -> None:
    model(input_ids=random_tokens(2, 20), use_cache=True)


@pytest.mark.parametrize("look", [_generate, _measure_loss, _evaluate, _pass_with_a_cache])
def test_looking_at_a_model_that_trains_moves_nothing_then_or_later(look: Callable[[Any], None]):
    model, undisturbed = tiny_hybrid().train(), tiny_hybrid().train()
    look(model)
    assert _are_equal(_stored(model), _stored(undisturbed))
    for seed in range(2):
        for one in (model, undisturbed):
            step_in_place(one, random_tokens(3, 22, seed))
        look(model)
    assert _are_equal(_stored(model), _stored(undisturbed))
    assert not _are_equal(_stored(model), _stored(tiny_hybrid()))


# Casts

_CASTS: dict[str, Callable[[Any], Any]] = {
    "half()": lambda model: model.half(),
    "to(float64)": lambda model: model.to(torch.float64),
    "to(float16) and back": lambda model: model.to(torch.float16).float(),
    "to(cpu, bfloat16)": lambda model: model.to("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("cast", _CASTS.values(), ids=_CASTS)
def test_casts_leave_what_routers_choose_by_float32_and_as_it_was(cast: Callable[[Any], Any]):
    model = tiny_hybrid()
    for layer in model.hybrid_layers.values():
        layer.segment_threshold.copy_(torch.tensor([0.3000001, 0.123456789, 1 / 3]))
    before = _stored(model)
    model = cast(model)
    assert all(buffer.dtype == torch.float32 for buffer in _stored(model))
    assert _are_equal(_stored(model), before)
    assert all(parameter.dtype == model.dtype for parameter in model.parameters())
    step_in_place(model.train(), random_tokens(3, 22))
    assert not _are_equal(_stored(model), before)


@torch.no_grad()
@pytest.mark.parametrize("nudge", [1 - 1e-4, 1 + 1e-4], ids=["just taken", "just not taken"])
@pytest.mark.parametrize("autocast", [False, True], ids=["cast", "autocast"])
def test_first_segments_are_routed_the_same_after_a_cast(autocast: bool, nudge: float):
    """Between a threshold and the gate next to it there is no 16-bit number: rounded, it flips all first segments."""
    model, seen = tiny_hybrid(segment_max_experts=3), {}
    for layer in model.hybrid_layers.values():
        layer.observer = lambda layer, plan, routed: seen.update({layer: routed.segments})
    model = model if autocast else model.to(torch.bfloat16)
    tokens = random_tokens(64, 4)  # a segment each, and all of them share one gate
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model(tokens)
        for layer, segments in seen.items():
            assert torch.equal(segments.gates, segments.gates[:1].expand(64, -1))
            layer.segment_threshold.copy_(segments.gates[0].float() * nudge)
        (model if autocast else model.to(torch.bfloat16))(tokens)
    for segments in seen.values():
        assert bool(segments.chosen.all()) == bool(segments.chosen.any()) == (nudge < 1)


# Training


def _own_loop(model: Any, rows: Any, folder: Path) -> None:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.0)
    for begin in range(0, 16, 2):
        tokens = torch.stack([row["input_ids"] for row in rows[begin : begin + 2]])
        model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    optimizer.step()  # after which there is nothing to follow


def _trainer(model: Any, rows: Any, folder: Path) -> None:
    arguments = trainer_arguments(folder, gradient_accumulation_steps=8, max_steps=1, learning_rate=0.0)
    Trainer(model=model, args=arguments, train_dataset=rows).train()


@pytest.mark.parametrize("loop", [_own_loop, _trainer])
def test_thresholds_move_by_a_tenth_with_each_optimiser_step_and_never_within_one(loop: Any, tmp_path: Path):
    model, gates, seen = tiny_hybrid(), [], []
    layer = model.hybrid_layers[1]
    start = layer.segment_threshold.clone()

    def observe(layer: Any, plan: Any, routed: Any) -> None:
        gates.append(routed.segments.gates.detach())
        seen.append(layer.segment_threshold.clone())

    layer.observer = observe
    loop(model, [{"input_ids": row, "labels": row} for row in random_tokens(16, 22)], tmp_path)
    assert len(gates) == 8
    assert all(torch.equal(threshold, start) for threshold in seen)
    all_gates = torch.cat(gates)
    quantile = torch.tensor([reference.stored_threshold(all_gates[:, e].tolist(), 1.0, 3) for e in range(3)])
    torch.testing.assert_close(layer.segment_threshold, _DECAY * start + (1 - _DECAY) * quantile, rtol=2e-5, atol=0)
    assert not torch.allclose(layer.segment_threshold, start)


def _contrast(model: Any) -> dict[str, Tensor]:
    """Gradients of a loss on several texts, forward passes of all before one backward pass; a batch is one row."""
    losses = []
    for seed in range(1, 7):
        tokens = random_tokens(1, 22, seed=seed)
        losses.append(model(input_ids=tokens, labels=tokens).loss)
    (losses[0] - torch.stack(losses[1:]).mean()).backward()
    return gradients_of(model)


def test_several_passes_before_one_backward_have_exact_gradients_with_checkpointing():
    plain, checkpointed = tiny_hybrid().train(), tiny_hybrid().train()
    checkpointed.activation_checkpointing_enable()
    for model in (plain, checkpointed):
        step_in_place(model, random_tokens(1, 22))  # so that something has been noted, and thresholds have moved
        model.zero_grad()
    expected, found = _contrast(plain), _contrast(checkpointed)
    assert any("segment_router" in name for name in expected)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


# Calibration


def test_calibration_of_a_base_with_dropout_gives_the_same_thresholds_twice():
    rates = dict.fromkeys(["attention_dropout", "residual_dropout", "embedding_dropout"], 0.1)
    first = tiny_hybrid(family="starcoder2", base=rates)
    second, untouched = copy.deepcopy(first).train(), copy.deepcopy(first)
    batches = [{"input_ids": random_tokens(4, 40, seed=seed)} for seed in range(3)]
    calibrate_routing(first, batches)
    calibrate_routing(second, batches)
    assert _are_equal(_stored(first), _stored(second))
    assert not _are_equal(_stored(first), _stored(untouched))
    losses = [second(**batches[0], labels=batches[0]["input_ids"]).loss.item() for _ in range(2)]
    assert losses[0] != losses[1], "the model has no dropout, so this test says nothing"
