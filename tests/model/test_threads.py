"""One model serves many threads at once: what a pass needs travels with the call, not with the layers."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY


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


@torch.no_grad()
def _logits(model: Any, number: int) -> Tensor:
    return model(**_text(number)).logits


def _loss(model: Any, number: int) -> Tensor:
    """Gradients of a shared model add up; the losses are each thread's own."""
    return model.train()(**_text(number), labels=_text(number)["input_ids"]).loss.detach()


def _written(model: Any, number: int) -> Tensor:
    return model.generate(**_text(number), max_new_tokens=5, use_cache=True, **GREEDY)


@pytest.mark.parametrize(
    ("preset", "function", "num_calls"),
    [("paper", _logits, 40), ("causal", _loss, 40), ("gated", _written, 20)],
)
def test_calls_of_two_threads_give_what_they_give_alone(preset: str, function: Any, num_calls: int):
    model, numbers = tiny_hybrid(preset), range(num_calls)
    alone = [function(model, number) for number in numbers]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda number: function(model, number), numbers))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
