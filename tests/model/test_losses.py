"""The model's losses: of micro-batches, of balance in training, and in evaluation."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import Trainer

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.token_moe import mean_load_balancing_loss, route_tokens
from multipl_moe.upcycle.router_start import without_direction
from tests import reference
from tests.conftest import random_tokens, tiny_hybrid
from tests.model.layouts import gradients_of
from tests.train.tiny import trainer_arguments

_COEFFICIENT = 0.01


def _labels() -> torch.Tensor:
    """Labels of four rows with different numbers of tokens to predict."""
    labels = random_tokens(4, 15)
    labels[0, :9] = labels[2, 4:] = labels[3, ::2] = -100
    return labels


def _halves(tokens: torch.Tensor, labels: torch.Tensor):
    return [(tokens[:1], labels[:1]), (tokens[1:], labels[1:])]


@pytest.mark.parametrize(("preset", "skip_logits"), [("causal", False), ("gated", True)])
def test_in_evaluation_losses_are_the_cross_entropy_and_those_of_micro_batches_add_up(preset: str, skip_logits: bool):
    model, tokens, labels = tiny_hybrid(preset), random_tokens(4, 15), _labels()
    model.lm_head.requires_grad_(False)
    options = {"num_items_in_batch": int((labels[:, 1:] != -100).sum()), "skip_logits": skip_logits}
    with torch.no_grad():
        whole = model(input_ids=tokens, labels=labels).loss
        parts = [model(input_ids=t, labels=y, **options).loss for t, y in _halves(tokens, labels)]
        logits = model(input_ids=tokens).logits[:, :-1].flatten(0, 1)
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(whole, F.cross_entropy(logits, labels[:, 1:].flatten()))


def test_in_training_micro_batches_add_up_and_weigh_their_balancing_loss_by_their_labels():
    model, tokens, labels = tiny_hybrid("token-only", router_aux_loss_coef=0.5).train(), random_tokens(4, 15), _labels()
    num_items = int((labels[:, 1:] != -100).sum())
    with torch.no_grad():
        cross_entropy = model.eval()(input_ids=tokens, labels=labels).loss
        model.train()
        total, expected = torch.zeros(()), cross_entropy
        for t, y in _halves(tokens, labels):
            output = model(input_ids=t, labels=y, num_items_in_batch=num_items)
            total = total + output.loss
            expected = expected + 0.5 * output.aux_loss * (y[:, 1:] != -100).sum() / num_items
    torch.testing.assert_close(total, expected)


def test_the_training_loss_adds_the_mean_balancing_loss_of_the_layers():
    model = tiny_hybrid(router_aux_loss_coef=0.25).train()
    tokens = random_tokens(3, 14)
    scores, choices = [], []
    for layer in model.hybrid_layers.values():  # of the routed experts: the shared one is always in
        layer.observer = lambda layer, plan, routed: (
            scores.append(list(routed.tokens.logits[:, :-1].softmax(-1))),
            choices.append([row.nonzero().flatten().tolist() for row in routed.tokens.chosen[:, :-1]]),
        )
    output = model(input_ids=tokens, labels=tokens)
    slow = torch.stack([reference.load_balancing_loss(s, c) for s, c in zip(scores, choices, strict=True)]).mean()
    torch.testing.assert_close(output.aux_loss, slow)
    cross_entropy = F.cross_entropy(output.logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    torch.testing.assert_close(output.loss, cross_entropy + 0.25 * slow)


@pytest.mark.parametrize(
    ("family", "head_learns"), [("llama", False), ("gemma2", False), ("granite", False), ("llama", True)]
)
def test_without_logits_the_loss_and_every_gradient_are_the_same(family: str, head_learns: bool):
    results = []
    for skip_logits in (False, True):
        model = tiny_hybrid(family=family).train()
        model.lm_head.requires_grad_(head_learns)
        output = model(input_ids=random_tokens(4, 15), labels=_labels(), skip_logits=skip_logits)
        output.loss.backward()
        assert (output.logits is None) == (skip_logits and not head_learns)
        gradients = gradients_of(model)
        assert ("lm_head.weight" in gradients) == head_learns
        results.append((output.loss.detach(), gradients))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(("scope", "least", "most"), [("routed", 0.48, 0.52), ("all", 0.0, 0.2)])
def test_balancing_the_routed_experts_says_nothing_of_the_shared_one(scope: Any, least: float, most: float):
    """60 steps of it alone: over all experts, it drives the gate of one that is always in from 0.5 to next to 0."""
    moe = RoutingConfig(router_aux_loss_scope=scope)
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(64, generator=generator)
    x_NH = 0.8 * common + 0.6 * torch.randn(2048, 64, generator=generator)  # inputs of blocks have much in common
    rows = without_direction(0.1 * torch.randn(6, 64, generator=generator), x_NH.mean(dim=0))
    weight = torch.nn.Parameter(rows)
    optimizer = torch.optim.AdamW([weight], lr=2e-3, weight_decay=0.0)
    start = route_tokens(x_NH @ weight.t(), moe)
    for _ in range(60):
        loss = mean_load_balancing_loss([route_tokens(x_NH @ weight.t(), moe)], moe)
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    end = route_tokens(x_NH @ weight.t(), moe)
    change = (end.gates[:, -1].mean() - start.gates[:, -1].mean()).item()
    assert least <= 0.5 + change <= most
    loads = end.chosen[:, :-1].float().mean(dim=0)
    assert 0.5 < loads.min() * 5 <= loads.max() * 5 < 2


# The balancing loss never goes missing without a word: without labels, with checkpointing, in the Trainer


def test_a_loss_of_ones_own_with_aux_loss_has_the_gradients_of_the_models_loss():
    own, theirs = (tiny_hybrid(router_aux_loss_coef=_COEFFICIENT).train() for _ in range(2))
    tokens = random_tokens(3, 21)
    theirs(input_ids=tokens, labels=tokens).loss.backward()
    outputs = own(input_ids=tokens)
    text_loss = own.loss_function(logits=outputs.logits, labels=tokens, vocab_size=outputs.logits.shape[-1])
    assert own.config.router_aux_loss_coef == _COEFFICIENT
    (text_loss + own.config.router_aux_loss_coef * outputs.aux_loss).backward()
    torch.testing.assert_close(gradients_of(own), gradients_of(theirs), rtol=1e-5, atol=1e-7)
    assert outputs.aux_loss.item() > 0


@pytest.mark.parametrize(("preset", "trains"), [("causal", False), ("segments alone", True)])
def test_there_is_no_router_loss_in_evaluation_nor_without_token_routers(preset: str, trains: bool):
    assert tiny_hybrid(preset).train(trains)(input_ids=random_tokens(2, 13)).aux_loss is None


def test_training_without_labels_as_with_label_smoothing_is_told_once_of_the_loss_to_add(tmp_path: Path, caplog):
    model, tokens = tiny_hybrid(router_aux_loss_coef=_COEFFICIENT), random_tokens(8, 13)
    with caplog.at_level(logging.WARNING, "multipl_moe"):
        model(input_ids=tokens)
        model.train()(input_ids=tokens, labels=tokens)
        with torch.no_grad():
            model(input_ids=tokens)
        assert "aux_loss" not in caplog.text
        arguments = trainer_arguments(tmp_path, max_steps=2, label_smoothing_factor=0.1)
        rows: Any = [{"input_ids": row, "labels": row} for row in tokens]
        Trainer(model=model, args=arguments, train_dataset=rows).train()
    assert caplog.text.count("config.router_aux_loss_coef * outputs.aux_loss") == 1


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_router_logits_are_returned_where_they_are_asked_for(training: bool):
    model, tokens, used = tiny_hybrid().train(training), random_tokens(2, 13), []
    mask = torch.ones_like(tokens)
    mask[0, :4] = 0
    assert model(input_ids=tokens).router_logits is None
    for layer in model.hybrid_layers.values():
        layer.observer = lambda layer, plan, routed: used.append(routed.tokens.logits)
    asked = model(input_ids=tokens, attention_mask=mask, output_router_logits=True).router_logits
    assert [tuple(logits.shape) for logits in asked] == [(2 * 13 - 4, 4)] * 2
    assert all(torch.equal(*pair) for pair in zip(asked, used, strict=True))
    model.config.output_router_logits = True
    for found, expected in zip(model(input_ids=tokens, attention_mask=mask).router_logits, asked, strict=True):
        assert torch.equal(found, expected)
    assert model(input_ids=tokens, output_router_logits=False).router_logits is None


def test_reentrant_checkpointing_is_refused_with_what_to_use_instead():
    model, tokens = tiny_hybrid().train(), random_tokens(2, 13)
    model.activation_checkpointing_enable({"use_reentrant": True})
    model.enable_input_require_grads()
    with pytest.raises(ValueError, match="use use_reentrant=False"):
        model(input_ids=tokens, labels=tokens)
    model.eval()(input_ids=tokens, labels=tokens)
    with torch.no_grad():
        model.train()(input_ids=tokens, labels=tokens)
