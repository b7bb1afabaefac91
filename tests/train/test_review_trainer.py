"""The loss of stage 2's Trainer against its parts, and thresholds that follow the rows to learn."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import TrainingArguments

from multipl_moe.model.losses import balanced_experts, load_balancing_loss
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.segment_moe import SegmentRouting, route_segments, segment_gates
from multipl_moe.model.segments import SegmentPlan, plan_segments
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import observe_routing
from multipl_moe.model.token_bias import follow_sums, routed_sums
from multipl_moe.model.token_moe import TokenRouting, route_tokens
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.train.review_trainer import ReviewTrainer, record_routing, routing_loss
from multipl_moe.train.setup import TrainingSetup
from tests.conftest import random_tokens, tiny_hybrid, tiny_moe
from tests.reference import segments_of

_COEFFICIENT = 0.7
_MIXED = torch.tensor([True, False, False, True])


def _trainer(model: MultiplMoeForCausalLM, folder: Path, coefficient: float = _COEFFICIENT) -> ReviewTrainer:
    recipe = validate_recipe({"learn": ["rust"], "keep": ["python"], "train": {"replay": 1.0}})
    return ReviewTrainer(
        keep=recipe.keep,
        coefficient=coefficient,
        setup=TrainingSetup.of(recipe),
        model=model,
        train_dataset=[],  # pyright: ignore[reportArgumentType]
        held_out=None,
        frozen_sha256="",
        args=TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none"),
    )


def _batch(num_rows: int) -> dict[str, Tensor]:
    tokens = random_tokens(num_rows, 16)
    return {"input_ids": tokens, "labels": tokens}


def _loss_of(trainer: ReviewTrainer, model, batch: dict[str, Tensor], keeps: Tensor, num_items: int | None) -> Tensor:
    trainer.language_losses.rows = keeps.long()  # rust is to learn, python to keep
    return trainer.compute_loss(model, batch, num_items_in_batch=num_items)


def _loss(
    model, folder: Path, keeps: Tensor, coefficient: float = _COEFFICIENT, num_items: int | None = None
) -> Tensor:
    model.train()
    return _loss_of(_trainer(model, folder, coefficient), model, _batch(len(keeps)), keeps, num_items)


@pytest.mark.parametrize("preset", ["causal", "token-only", "moe-lpr", "segment-only", "paper"])
@pytest.mark.parametrize("keeps", [_MIXED, torch.ones(4).bool(), torch.zeros(4).bool()])
def test_loss_is_the_sum_of_its_parts(tmp_path: Path, preset: str, keeps: Tensor):
    model = tiny_hybrid(preset, router_aux_loss_coef=0.01)
    batch = _batch(len(keeps))
    with record_routing(model) as routed:
        logits = model(batch["input_ids"]).logits
    expected = F.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    for record in routed.values():
        threshold = record.layer.segment_threshold if preset in ("causal", "segment-only") else None
        part = _COEFFICIENT * routing_loss(keeps, record.plan, record.tokens, record.segments, threshold)
        if record.tokens is not None:
            learns = (~keeps).repeat_interleave(16)
            experts = balanced_experts(model.config.moe_config)
            tokens = record.tokens
            part = part + 0.01 * load_balancing_loss(tokens.logits[learns, experts], tokens.chosen[learns, experts])
        expected = expected + part / 2
    torch.testing.assert_close(_loss(model, tmp_path, keeps), expected)


def test_rows_to_learn_alone_have_no_routing_loss(tmp_path: Path):
    learn = torch.zeros(4).bool()
    assert torch.equal(_loss(tiny_hybrid(), tmp_path, learn, 0.0), _loss(tiny_hybrid(), tmp_path, learn, 100.0))
    assert _loss(tiny_hybrid(), tmp_path, _MIXED, 0.0) < _loss(tiny_hybrid(), tmp_path, _MIXED, 100.0)


def test_micro_batches_add_up_to_the_batch(tmp_path: Path):
    model = tiny_hybrid(router_aux_loss_coef=0.0)
    trainer = _trainer(model, tmp_path)
    batch = _batch(4)
    whole = _loss_of(trainer, model, batch, _MIXED, None)
    parts = [
        _loss_of(trainer, model, {key: value[rows] for key, value in batch.items()}, _MIXED[rows], 4 * 15)
        for rows in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(parts[0] + parts[1], whole)


def test_observers_in_place_see_the_routing_and_stay(tmp_path: Path):
    model = tiny_hybrid()
    with observe_routing(model) as statistics:
        _loss(model, tmp_path, _MIXED)
        assert all(layer.observer is statistics[index] for index, layer in model.hybrid_layers.items())
    assert {layer.num_tokens for layer in statistics.values()} == {4 * 16}


def _optimiser_step(model: MultiplMoeForCausalLM) -> None:
    torch.optim.SGD(model.parameters(), lr=0.0).step()


def test_thresholds_and_biases_follow_the_rows_to_learn_of_a_step(tmp_path: Path):
    model = tiny_hybrid().train()
    trainer = _trainer(model, tmp_path)
    before = {index: copy.deepcopy(layer) for index, layer in model.hybrid_layers.items()}
    gates: dict[int, list[Tensor]] = {1: [], 2: []}
    sums = {1: torch.zeros(4, 3), 2: torch.zeros(4, 3)}
    for seed, keeps in enumerate([_MIXED, torch.ones(4).bool(), torch.zeros(4).bool()]):
        batch = {"input_ids": random_tokens(4, 16, seed=seed), "labels": random_tokens(4, 16, seed=seed)}
        with record_routing(model) as routed:
            _loss_of(trainer, model, batch, keeps, None)
        for index, record in routed.items():
            assert record.segments is not None
            assert record.tokens is not None
            learns = [not keeps[row] for row in record.plan.row_of_segment.tolist()]
            gates[index].append(record.segments.gates.detach()[torch.tensor(learns)])
            logits, chosen = (part.view(4, 16, 4)[~keeps].flatten(0, 1) for part in record.tokens[0::2])
            sums[index] += routed_sums(logits, chosen)
    assert all(torch.equal(layer.segment_threshold, before[i].segment_threshold) for i, layer in _layers(model))
    _optimiser_step(model)
    for index, layer in _layers(model):
        target = quantile_threshold(torch.cat(gates[index]), 1.0)
        torch.testing.assert_close(layer.segment_threshold, 0.9 * before[index].segment_threshold + 0.1 * target)
        assert not torch.equal(layer.segment_threshold, before[index].segment_threshold)
        torch.testing.assert_close(
            layer.token_bias, follow_sums(torch.zeros(3), sums[index], layer.moe.token_bias_rate)
        )
        assert layer.token_bias is not None
        assert layer.token_bias.any()
    after = {index: layer.segment_threshold.clone() for index, layer in _layers(model)}
    _optimiser_step(model)
    assert all(torch.equal(layer.segment_threshold, after[index]) for index, layer in _layers(model))


def _layers(model: MultiplMoeForCausalLM) -> Any:
    return model.hybrid_layers.items()


@pytest.mark.parametrize("preset", ["causal", "paper"])
def test_thresholds_stay_without_rows_to_learn_and_where_experts_choose(preset: str, tmp_path: Path):
    model = tiny_hybrid(preset)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    _loss(model, tmp_path, torch.full((4,), preset == "causal"))
    _optimiser_step(model)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


# The routing loss against loops over tokens and segments

_WINDOW, _STRIDE = 8, 4
_ONE_DOCUMENT = torch.arange(11).expand(3, 11)
_PACKED = torch.tensor([[*range(5), *range(6)], [*range(11)], [0, *range(9), 0]])
_LEFT = torch.tensor([[0] * 4 + [1] * 7, [1] * 11, [0] * 9 + [1] * 2])
_BATCHES = {
    "whole": (_ONE_DOCUMENT, None),
    "packed": (_PACKED, None),
    "padded": ((_LEFT.cumsum(1) - 1).clamp(min=0), _LEFT),
    "packed and padded": (_PACKED, _LEFT.flip(1)),
}
_THRESHOLD = torch.tensor([0.5, 0.4, 0.3])


def _plan(name: str) -> SegmentPlan:
    positions, mask = _BATCHES[name]
    return plan_segments(positions, mask, window=_WINDOW, stride=_STRIDE, lookahead=False)


def _logits(name: str) -> tuple[Tensor, Tensor]:
    plan = _plan(name)
    return tuple(
        torch.randn(number, experts, generator=torch.Generator().manual_seed(experts)).requires_grad_()
        for number, experts in ((len(plan.segment_of_token), 4), (plan.num_segments, 3))
    )  # pyright: ignore[reportReturnType]


def _route(name: str, logits: tuple[Tensor, Tensor]) -> tuple[TokenRouting, SegmentRouting]:
    moe = tiny_moe()
    gates = segment_gates(logits[1])
    segments = route_segments(
        gates,
        _plan(name),
        _THRESHOLD,
        moe,
        as_in_training=False,
        batch_gates=gates.detach(),
        own=slice(0, len(gates)),
    )
    return route_tokens(logits[0], moe), segments


def _slow_loss(name: str, keeps: list[bool], token_logits: Tensor, segment_logits: Tensor) -> Tensor:
    """One token after the other, one segment after the other."""
    positions, mask = _BATCHES[name]
    segments = segments_of(positions, mask, window=_WINDOW, stride=_STRIDE, lookahead=False)
    real = sorted(token for segment in segments for token in segment.tokens)
    loss = torch.zeros(())
    for number, (row, _) in enumerate(real):
        if keeps[row]:
            shared = token_logits[number].exp()[-1] / token_logits[number].exp().sum()
            loss = loss - shared.log() / len(real)
    for number, segment in enumerate(segments):
        if keeps[segment.row]:
            gates = segment_logits[number].exp() / segment_logits[number].exp().sum()
            for expert, theta in enumerate(_THRESHOLD.tolist()):
                target = theta / 1.2
                loss = loss + target * (math.log(target) - gates[expert].log()) / len(segments)
    return loss


@pytest.mark.parametrize("keeps", [[True, False, True], [False, True, False], [True] * 3, [False] * 3])
@pytest.mark.parametrize("name", _BATCHES)
def test_value_and_gradients_are_those_of_a_loop(name: str, keeps: list[bool]):
    fast, slow = _logits(name), _logits(name)
    loss = routing_loss(torch.tensor(keeps), _plan(name), *_route(name, fast), _THRESHOLD)
    expected = _slow_loss(name, keeps, *slow)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    if expected.requires_grad:
        expected.backward()
    for ours, theirs in zip(fast, slow, strict=True):
        wanted = torch.zeros_like(ours) if theirs.grad is None else theirs.grad
        torch.testing.assert_close(ours.grad, wanted)
        assert wanted.any() == any(keeps)


@pytest.mark.parametrize("name", _BATCHES)
def test_rows_to_learn_get_no_gradient_and_rows_to_keep_do(name: str):
    keeps, plan, logits = torch.tensor([False, True, False]), _plan(name), _logits(name)
    routing_loss(keeps, plan, *_route(name, logits), _THRESHOLD).backward()
    for values, rows in zip(logits, (plan.row_of_segment[plan.segment_of_token], plan.row_of_segment), strict=True):
        assert values.grad is not None
        assert not values.grad[~keeps[rows]].any()
        assert values.grad[keeps[rows]].any(dim=1).all()


def test_loss_is_zero_without_rows_to_keep():
    loss = routing_loss(torch.zeros(3, dtype=torch.bool), _plan("packed"), *_route("packed", _logits("packed")), None)
    assert loss.item() == 0


def test_loss_vanishes_where_the_frozen_expert_has_all_and_gates_are_in_proportion_to_thresholds():
    plan = _plan("packed")
    token_logits = torch.tensor([0.0, 0, 0, 60]).expand(len(plan.segment_of_token), 4)
    segment_logits = _THRESHOLD.log().expand(plan.num_segments, 3)
    tokens, segments = _route("packed", (token_logits, segment_logits))
    loss = routing_loss(torch.ones(3, dtype=torch.bool), plan, tokens, segments, _THRESHOLD)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not segments.chosen.any()


def test_each_router_may_be_absent_and_experts_that_choose_have_no_loss():
    name, keeps = "packed", torch.tensor([True, False, True])
    tokens, segments = _route(name, _logits(name))
    plan = _plan(name)
    both = routing_loss(keeps, plan, tokens, segments, _THRESHOLD)
    only_tokens, only_segments = (
        routing_loss(keeps, plan, tokens, None, None),
        routing_loss(keeps, plan, None, segments, _THRESHOLD),
    )
    torch.testing.assert_close(only_tokens + only_segments, both)
    assert only_tokens > 0
    assert only_segments > 0
    assert torch.equal(routing_loss(keeps, plan, tokens, segments, None), only_tokens)


def test_scores_that_are_zero_give_a_finite_loss():
    plan = _plan("whole")
    token_logits = torch.tensor([0.0, 0, 0, -1000]).expand(len(plan.segment_of_token), 4).clone().requires_grad_()
    loss = routing_loss(torch.ones(3, dtype=torch.bool), plan, route_tokens(token_logits, tiny_moe()), None, None)
    loss.backward()
    assert torch.isfinite(loss)
    assert token_logits.grad is not None
    assert torch.isfinite(token_logits.grad).all()


def test_thresholds_are_constants():
    threshold = _THRESHOLD.clone().requires_grad_()
    routing_loss(
        torch.ones(3, dtype=torch.bool), _plan("whole"), *_route("whole", _logits("whole")), threshold
    ).backward()
    assert threshold.grad is None
