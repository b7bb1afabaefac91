"""Tokens that a base lacks: rows are added or free ones taken, and nothing else of the base changes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.checkpoints.new_tokens import dense_start, num_rows_with
from multipl_moe.fim_tokens import KNOWN_SPELLINGS, FimTokens, FimVocabulary
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import random_tokens
from tests.fixtures import NUM_TOKENS, save_tokenizer
from tests.train.tiny import tensors
from tests.upcycle.conftest import recipe_for, save_base

TOKENS = list(KNOWN_SPELLINGS["StarCoder"])
ENDS = {"model.embed_tokens.weight", "lm_head.weight"}
NEW = [NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2]


def world(folder: Path, num_rows: int, family: str = "llama", **overrides) -> tuple[Path, Recipe]:
    """A base with a tokenizer of 257 tokens, and a recipe whose corpus needs three more."""
    base = save_base(folder / "base", family, vocab_size=num_rows, **overrides)
    save_tokenizer(base)
    recipe = recipe_for(base)
    fim = recipe.corpus.fim.model_copy(update={"rate": 0.5, "tokens": TOKENS})
    return base, recipe.model_copy(update={"corpus": recipe.corpus.model_copy(update={"fim": fim})})


@pytest.mark.parametrize(
    ("num_rows", "expected", "tied"), [(257, 260, False), (258, 260, True), (264, 264, False), (270, 270, True)]
)
def test_only_the_rows_of_new_tokens_differ_from_the_base(tmp_path, num_rows, expected, tied):
    base, recipe = world(tmp_path, num_rows, tie_word_embeddings=tied)
    report = upcycle(recipe, tmp_path / "out")
    assert report.verification is not None
    assert report.verification.max_difference <= 1e-3
    before, after = tensors(base), tensors(tmp_path / "out")
    assert len(ENDS & before.keys()) == (1 if tied else 2)
    for name in before.keys() - ENDS:
        renamed = name if name in after else name.replace(".mlp.", ".mlp.shared_expert.")
        assert torch.equal(after[renamed], before[name])
    for name in ENDS & before.keys():
        assert after[name].shape == (expected, 32)
        kept = [row for row in range(num_rows) if row not in NEW]
        assert torch.equal(after[name][kept], before[name][kept])
        mean = before[name][:NUM_TOKENS].mean(dim=0)
        fresh = after[name][sorted({*NEW, *range(num_rows, expected)})]
        assert 0 < (fresh - mean).abs().max() < 0.02
        assert len(fresh.unique(dim=0)) == len(fresh)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.convert_tokens_to_ids(TOKENS) == NEW
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.base_config.vocab_size, config.base_config.new_token_ids) == (expected, NEW)
    assert json.loads((tmp_path / "out" / "upcycle.json").read_text())["new_tokens"] == TOKENS
    assert load_hybrid(tmp_path / "out").model.embed_tokens.weight.shape == (expected, 32)


def test_rows_stay_a_multiple_of_eight_where_they_were():
    def rows(first_new: int, num_rows: int) -> int:
        ids = (first_new, first_new + 1, first_new + 2)
        return num_rows_with(FimVocabulary(FimTokens(*ids), tuple(TOKENS), ids, b""), num_rows)

    assert rows(49152, 49152) == 49160
    assert rows(49151, 49152) == 49160
    assert rows(49153, 49153) == 49156
    assert rows(151665, 151936) == 151936


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "granite", "starcoder2"])
def test_families_with_scaled_embeddings_and_logits_start_at_the_base_too(tmp_path, family):
    base, recipe = world(tmp_path, 257, family)
    upcycle(recipe, tmp_path / "out")
    tokens = random_tokens(2, 40)
    with torch.no_grad():
        expected = load_dense(base)(input_ids=tokens, use_cache=False).logits
        found = load_hybrid(tmp_path / "out")(input_ids=tokens).logits
    assert (found[..., :257] - expected).abs().max() <= 1e-3


def test_what_will_train_is_counted_with_the_new_rows(tmp_path):
    for tied, number in ((True, 1), (False, 2)):
        _, recipe = world(tmp_path / str(tied), 257, tie_word_embeddings=tied)
        with_rows = upcycle(recipe, tmp_path / str(tied) / "out").parameters
        plain = upcycle(recipe_for(Path(recipe.base)), tmp_path / str(tied) / "plain").parameters
        assert with_rows.trained - plain.trained == with_rows.total - plain.total == number * 3 * 32
        config: Any = AutoConfig.from_pretrained(tmp_path / str(tied) / "out")
        assert with_rows == count_parameters(config)


def test_the_dense_base_starts_with_the_same_rows_as_the_hybrid(tmp_path):
    base, recipe = world(tmp_path, 257)
    upcycle(recipe, tmp_path / "out")
    start = dense_start(recipe, base, tmp_path / "start")
    assert start == tmp_path / "start" == dense_start(recipe, base, tmp_path / "start")
    dense, hybrid = tensors(start), tensors(tmp_path / "out")
    assert all(torch.equal(dense[name], hybrid[name]) for name in ENDS)
    assert (start / "tokenizer.json").read_bytes() == (tmp_path / "out" / "tokenizer.json").read_bytes()
    assert load_dense(start).config.new_token_ids == NEW
    assert dense_start(recipe, start, tmp_path / "again") == start
    assert dense_start(recipe_for(base), base, tmp_path / "again") == base
