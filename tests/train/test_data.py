"""A corpus is read only by models whose texts are tokens of it."""

import shutil
from pathlib import Path

import pytest

from multipl_moe.corpus import CorpusManifest, build_corpus
from multipl_moe.errors import CorpusError
from multipl_moe.train.data import require_same_tokenizer
from tests.fixtures import save_beginning_texts

from .tiny import World


def test_another_tokenizer_is_refused(world: World, tmp_path: Path):
    require_same_tokenizer(world.base, world.corpus)
    save_beginning_texts(world.base, tmp_path)
    with pytest.raises(CorpusError, match="tokenised with the tokenizer of base, not with that of"):
        require_same_tokenizer(tmp_path, world.corpus)


def test_documents_without_the_token_that_the_model_s_texts_begin_with_are_refused(world: World, tmp_path: Path):
    model, corpus = tmp_path / "model", tmp_path / "corpus"
    save_beginning_texts(world.base, model)
    manifest = build_corpus(world.recipe, model, corpus)
    require_same_tokenizer(model, corpus)
    shutil.rmtree(corpus / "tokens")
    shutil.copytree(world.corpus / "tokens", corpus / "tokens")
    assert manifest == CorpusManifest.load(corpus)
    with pytest.raises(CorpusError, match="its documents in rust lack the token that every text of"):
        require_same_tokenizer(model, corpus)
