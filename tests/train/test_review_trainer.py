"""The loss of stage 2's Trainer against its parts, and thresholds that follow the rows to learn."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import TrainingArguments

from multipl_moe.model.losses import balanced_experts, load_balancing_loss
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import observe_routing
from multipl_moe.model.token_bias import follow_sums, routed_sums
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.train.review_loss import routing_loss
from multipl_moe.train.review_trainer import ReviewTrainer, record_routing
from tests.conftest import random_tokens, tiny_hybrid

_COEFFICIENT = 0.7
_MIXED = torch.tensor([True, False, False, True])


def _trainer(model: MultiplMoeForCausalLM, folder: Path, coefficient: float = _COEFFICIENT) -> ReviewTrainer:
    values = {"learn": ["rust"], "keep": ["python"], "train": {"replay": 1.0}, "review": {"coefficient": coefficient}}
    return ReviewTrainer(
        recipe=validate_recipe(values),
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
