"""The load-balancing loss never goes missing without a word: without labels, with checkpointing, in the Trainer."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Trainer

from tests.conftest import random_tokens, tiny_hybrid
from tests.train.tiny import trainer_arguments

_COEFFICIENT = 0.01


def _gradients(model: Any) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("preset", ["causal", "token-only"])
def test_a_loss_of_ones_own_with_aux_loss_has_the_gradients_of_the_models_loss(preset: str):
    own, theirs = (tiny_hybrid(preset, router_aux_loss_coef=_COEFFICIENT).train() for _ in range(2))
    tokens = random_tokens(3, 21)
    theirs(input_ids=tokens, labels=tokens).loss.backward()
    outputs = own(input_ids=tokens)
    text_loss = own.loss_function(logits=outputs.logits, labels=tokens, vocab_size=outputs.logits.shape[-1])
    assert own.config.router_aux_loss_coef == _COEFFICIENT
    (text_loss + own.config.router_aux_loss_coef * outputs.aux_loss).backward()
    torch.testing.assert_close(_gradients(own), _gradients(theirs), rtol=1e-5, atol=1e-7)
    assert outputs.aux_loss.item() > 0


@pytest.mark.parametrize(("preset", "trains"), [("causal", False), ("segments alone", True)])
def test_there_is_no_router_loss_in_evaluation_nor_without_token_routers(preset: str, trains: bool):
    assert tiny_hybrid(preset).train(trains)(input_ids=random_tokens(2, 13)).aux_loss is None


def test_training_without_labels_is_told_once_of_the_loss_that_is_its_own_to_add(caplog: pytest.LogCaptureFixture):
    model, tokens = tiny_hybrid(router_aux_loss_coef=_COEFFICIENT), random_tokens(2, 13)
    with caplog.at_level(logging.WARNING, "multipl_moe"):
        model(input_ids=tokens)
        model.train()(input_ids=tokens, labels=tokens)
        with torch.no_grad():
            model(input_ids=tokens)
        assert "aux_loss" not in caplog.text
        for _ in range(3):
            model(input_ids=tokens)
    assert caplog.text.count("config.router_aux_loss_coef * outputs.aux_loss") == 1


def test_label_smoothing_of_the_trainer_is_told_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    arguments = trainer_arguments(tmp_path, max_steps=2, label_smoothing_factor=0.1)
    rows: Any = [{"input_ids": row, "labels": row} for row in random_tokens(8, 13)]
    with caplog.at_level(logging.WARNING, "multipl_moe"):
        Trainer(model=tiny_hybrid(router_aux_loss_coef=_COEFFICIENT), args=arguments, train_dataset=rows).train()
    assert caplog.text.count("outputs.aux_loss") == 1


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_router_logits_are_returned_where_they_are_asked_for(training: bool):
    model, tokens, used = tiny_hybrid().train(training), random_tokens(2, 13), []
    mask = torch.ones_like(tokens)
    mask[0, :4] = 0
    assert model(input_ids=tokens).router_logits is None
    for layer in model.hybrid_layers.values():
        layer.observer = lambda layer, plan, tokens, segments: used.append(tokens.logits)
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
