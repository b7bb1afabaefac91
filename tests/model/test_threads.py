"""One model serves many threads at once: what a pass needs travels with the call, not with the layers."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import random_tokens, tiny_hybrid

_NUM_CALLS = 200


@pytest.fixture(autouse=True)
def _threads_that_take_turns_often():
    """By default a thread runs for 5 ms before another one may, which is a whole pass of these models."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _text(number: int) -> dict[str, Tensor]:
    """Texts of 1 or 2 rows and 5 to 30 tokens, some padded on the left."""
    tokens = random_tokens(1 + number % 2, 5 + 7 * number % 26, seed=number)
    mask = torch.ones_like(tokens)
    if number % 3 == 0:
        mask[0, :3] = 0
    return {"input_ids": tokens, "attention_mask": mask}


def _logits(model: Any, number: int) -> Tensor:
    with torch.no_grad():
        return model(**_text(number)).logits


def _written(model: Any, number: int) -> Tensor:
    settings = {"do_sample": False, "min_new_tokens": 5, "max_new_tokens": 5, "pad_token_id": 0}
    return model.generate(**_text(number), **settings, use_cache=True)


def _of_two_threads(function: Any, model: Any, numbers: list[int]) -> list[Tensor]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda number: function(model, number), numbers))


@pytest.mark.parametrize("preset", ["causal", "paper"])
def test_forward_passes_of_two_threads_give_what_they_give_alone(preset: str):
    model, numbers = tiny_hybrid(preset), list(range(_NUM_CALLS))
    alone = [_logits(model, number) for number in numbers]
    together = _of_two_threads(_logits, model, numbers)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_generations_of_two_threads_give_what_they_give_alone():
    model, numbers = tiny_hybrid(), list(range(_NUM_CALLS // 4))
    alone = [_written(model, number) for number in numbers]
    together = _of_two_threads(_written, model, numbers)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_two_threads_that_train_on_one_model_see_their_own_batches():
    """Gradients of a shared model add up; the losses are each thread's own."""
    model, numbers = tiny_hybrid().train(), list(range(_NUM_CALLS // 4))

    def loss(model: Any, number: int) -> Tensor:
        return model(**_text(number), labels=_text(number)["input_ids"]).loss.detach()

    alone = [loss(model, number) for number in numbers]
    together = _of_two_threads(loss, model, numbers)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
