"""The tiny world of tests/train/tiny.py, for what is calibrated on text."""

import pytest

from tests.train.tiny import World, tiny_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory)
