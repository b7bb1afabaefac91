"""A corpus is read only by models whose texts are tokens of it."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multipl_moe.corpus import CorpusManifest
from multipl_moe.corpus.documents import read_documents
from multipl_moe.data.calibration_data import calibration_batches, expert_use_batches, require_same_tokenizer
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.train import trainer
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle
from tests.fixtures import save_beginning_texts
from tests.train.tiny import World, tiny_recipe, with_train


def test_another_tokenizer_is_refused(world: World, tmp_path: Path):
    require_same_tokenizer(world.base, world.corpus)
    save_beginning_texts(world.base, tmp_path)
    with pytest.raises(CorpusError, match=r"tokenised with the tokenizer of base, not with that of .*the same --base"):
        require_same_tokenizer(tmp_path, world.corpus)
    shutil.copy(tmp_path / "tokenizer.json", shutil.copytree(world.hybrid, tmp_path / "hybrid"))
    with pytest.raises(CorpusError, match="tokenised with the tokenizer of base"):
        train_model(world.recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run")


def test_documents_without_the_token_that_the_model_s_texts_begin_with_are_refused(world: World, tmp_path: Path):
    """tests/corpus/test_tokens.py has those that begin with it."""
    save_beginning_texts(world.base, tmp_path / "model")
    digest = hashlib.sha256((tmp_path / "model" / "tokenizer.json").read_bytes()).hexdigest()
    corpus = shutil.copytree(world.corpus, tmp_path / "corpus")
    replace(CorpusManifest.load(corpus), tokenizer_sha256=digest).save(corpus)
    with pytest.raises(CorpusError, match="its documents in rust lack the token that every text of"):
        require_same_tokenizer(tmp_path / "model", corpus)


@pytest.fixture(scope="module")
def tokenizer(world: World) -> Any:
    return load_tokenizer(world.base)


def test_calibration_reads_its_tokens_from_all_languages_alike(world: World, tokenizer):
    batches = list(calibration_batches(world.recipe, world.corpus, tokenizer))
    assert all(set(batch) == {"input_ids", "attention_mask"} for batch in batches)
    rows = [row[mask == 1].tolist() for batch in batches for row, mask in zip(*batch.values(), strict=True)]
    assert len(rows) == 1024 // 32
    for number, language in enumerate(world.recipe.languages):
        texts = [tokenizer(file.text)["input_ids"] for file in read_documents(world.corpus, "train", language)]
        windows = [text[begin : begin + 32] for text in texts for begin in range(0, len(text), 32)]
        assert all(row in windows for row in rows[number::4]), language


def test_calibration_batches_have_at_least_two_rows_of_each_language(world: World, tokenizer):
    recipe = with_train(world.recipe, batch_sequences=1, calibration_tokens=1)
    (batch,) = calibration_batches(recipe, world.corpus, tokenizer)
    assert batch["input_ids"].shape == (8, 32)


def test_use_of_experts_is_told_from_every_language_but_behind_a_gate_from_those_that_it_opens_for(world: World):
    assert list(expert_use_batches(world.recipe, world.corpus, [])) == list(world.recipe.languages)
    assert list(expert_use_batches(world.recipe, world.corpus, world.recipe.learn)) == world.recipe.learn


def test_of_a_language_with_less_text_than_a_sequence_all_of_it_is_read(world: World, tmp_path: Path):
    short = shutil.copytree(world.corpus, tmp_path / "corpus")
    (file,) = (short / "tokens" / "train" / "english").glob("*.ds")
    file.write_bytes(file.read_bytes()[: 2 * 20])
    file.with_name(f"{file.name}.index").write_bytes((20).to_bytes(8, "little"))
    (batch,) = expert_use_batches(world.recipe, short, [])["english"]
    assert batch["input_ids"].shape == (2048 // 20, 20)


@pytest.mark.parametrize(("key", "tokens"), [("sequence_tokens", 512), ("calibration_sequence_tokens", 257)])
def test_sequences_longer_than_the_model_can_read_are_refused(world: World, tmp_path: Path, key: str, tokens: int):
    recipe = with_train(world.recipe, **{key: tokens, "tokens": 4096})
    with pytest.raises(ConfigError, match=rf"train\.{key}: {tokens} tokens are more than the 256 that the model can"):
        train_model(recipe, world.hybrid, world.corpus, tmp_path / "run")


def test_text_is_read_for_thresholds_only_where_there_are_any(world: World, tmp_path: Path, monkeypatch):
    def unwanted(*_: Any) -> Any:
        raise AssertionError("text was read for thresholds that there are not")

    recipe = tiny_recipe(world.base, world.sources, moe={"preset": "paper"}, train={"method": "experts"})
    upcycle(recipe, tmp_path / "hybrid")
    monkeypatch.setattr(trainer, "calibration_batches", unwanted)
    assert trainer._CalibrateAndMerge(recipe, tmp_path / "hybrid", world.corpus).computes
    assert not trainer._CalibrateAndMerge(recipe, world.base, world.corpus).computes
    with pytest.raises(AssertionError, match="thresholds"):
        trainer._CalibrateAndMerge(world.recipe, world.hybrid, world.corpus)
