"""What tools of the field look for at the top of a configuration is found there, and stored once."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe import MultiplMoeConfig
from tests.conftest import TINY_BASE, VOCABULARY, random_tokens, tiny_base_config, tiny_hybrid, tiny_moe


def _config(family: str = "llama", preset: str = "causal") -> MultiplMoeConfig:
    return MultiplMoeConfig(text_config=tiny_base_config(family), moe=tiny_moe(preset).to_dict())


@pytest.mark.parametrize(("preset", "num_experts", "num_per_token"), [("causal", 3 + 3, 1 + 2), ("token-only", 3, 1)])
def test_numbers_of_base_and_experts_are_readable_at_the_top(preset: str, num_experts: int, num_per_token: int):
    config = _config("phi3", preset)
    assert {name: getattr(config, name) for name in TINY_BASE} == TINY_BASE
    assert config.pad_token_id == config.base_config.pad_token_id == 0
    assert (config.num_experts, config.num_experts_per_tok) == (num_experts, num_per_token)


def test_nothing_is_stored_twice_and_what_is_stored_can_be_read_again(tmp_path: Path):
    config = _config()
    config.eos_token_id = 5
    config.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    derived = {*TINY_BASE, "pad_token_id", "num_experts", "num_experts_per_tok", "router_aux_loss_coef"}
    assert not derived & stored.keys()
    assert stored["text_config"]["eos_token_id"] == 5
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.eos_token_id == loaded.base_config.eos_token_id == 5
    assert loaded.to_diff_dict() == config.to_diff_dict() | {"transformers_version": stored["transformers_version"]}


@torch.no_grad()
@pytest.mark.parametrize(("preset", "tied"), [("causal", True), ("gated", False)])
def test_resized_embeddings_are_those_of_the_base_decoder_and_gate_and_round_trip(tmp_path, preset, tied):
    model, tokens = tiny_hybrid(preset, base={"tie_word_embeddings": tied}), random_tokens(2, 29)
    config, before = model.config, model(tokens).logits
    model.resize_token_embeddings(VOCABULARY + 8)
    assert config.vocab_size == config.base_config.vocab_size == model.vocab_size == VOCABULARY + 8
    assert model.get_input_embeddings() is model.model.embed_tokens is model.model.base_decoder.embed_tokens
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    model.save_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(tokens).logits[..., :VOCABULARY], before, rtol=0, atol=1e-5)
    assert torch.equal(loaded(tokens + 8).logits, model(tokens + 8).logits)


def test_new_input_embeddings_are_read_by_the_base_decoder():
    model, tokens = tiny_hybrid(), random_tokens(2, 9)
    before = model(input_ids=tokens).logits
    model.set_input_embeddings(torch.nn.Embedding(VOCABULARY, 32))
    assert not torch.allclose(model(input_ids=tokens).logits, before)
