"""The tiny world of tests/train/tiny.py, and the corpus of tests/corpus."""

import pytest

from tests.corpus.conftest import corpus, corpus_recipe, sources_folder, tokenizer_folder, told
from tests.train.tiny import World, tiny_world

__all__ = ["corpus", "corpus_recipe", "sources_folder", "tokenizer_folder", "told", "world"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory)
