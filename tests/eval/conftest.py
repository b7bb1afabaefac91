"""The tiny world of tests/train/tiny.py, and a small measured result."""

import pytest

from tests.eval.measured import after, before, metrics, recipe, records, training
from tests.train.tiny import World, tiny_world

__all__ = ["after", "before", "metrics", "recipe", "records", "training", "world"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory)
