"""A small measured result, and the tokenizer of the tiny world."""

from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.eval.measured import after, before, metrics, recipe, records, training

__all__ = ["after", "before", "metrics", "recipe", "records", "training"]


@pytest.fixture(scope="session")
def tokenizer(world) -> Any:
    return AutoTokenizer.from_pretrained(world.base)
