"""Loading a hybrid checkpoint strictly."""

import json
import re
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from multipl_moe.checkpoints.loading import held_in_fast_dtype, load_hybrid, load_model
from multipl_moe.errors import BaseModelError
from tests.conftest import random_tokens, tiny_base_config, tiny_hybrid

NAME = "model.layers.1.mlp.experts.down_proj"


@pytest.fixture
def folder(tmp_path):
    tiny_hybrid().save_pretrained(tmp_path / "hybrid")
    return tmp_path / "hybrid"


def change_weights(folder, changes: dict[str, torch.Tensor | None]) -> None:
    weights = load_file(folder / "model.safetensors")
    for name, value in changes.items():
        weights.pop(name, None)
        if value is not None:
            weights[name] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_the_dtype_is_the_checkpoint_s_unless_another_is_asked_for(folder, tmp_path):
    tiny_hybrid().to(torch.bfloat16).save_pretrained(tmp_path / "half")
    assert load_hybrid(folder).dtype == torch.float32
    assert load_hybrid(tmp_path / "half").dtype == torch.bfloat16
    assert load_hybrid(tmp_path / "half", dtype=torch.float32).dtype == torch.float32


def test_a_weight_that_is_no_number_is_told_when_it_is_loaded(folder):
    weights = load_file(folder / "model.safetensors")
    for value in (float("nan"), float("inf"), float("-inf")):
        change_weights(folder, {NAME: weights[NAME].index_fill(-1, torch.tensor([3]), value)})
        with pytest.raises(BaseModelError, match=rf"{NAME} holds NaN or an infinity; copy or download it again"):
            load_hybrid(folder)


@pytest.mark.parametrize("fast", [torch.bfloat16, torch.float32])
def test_a_model_to_evaluate_is_held_in_float32_where_the_hardware_is_slow_in_its_dtype(tmp_path, monkeypatch, fast):
    monkeypatch.setattr("multipl_moe.checkpoints.loading.fast_dtype", lambda: fast)
    half = tiny_hybrid().to(torch.bfloat16)
    half.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert (model.dtype, model.training) == (fast, False)
    torch.testing.assert_close(model.state_dict(), half.to(fast).state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("family", ["llama", "gemma2", "phi3"])
def test_models_are_evaluated_dense_and_hybrid_with_the_fastest_attention_they_have(tmp_path, family):
    dense, tokens = AutoModelForCausalLM.from_config(tiny_base_config(family)), random_tokens(2, 30)
    for name, model in {"dense": dense, "hybrid": tiny_hybrid(family=family)}.items():
        model.save_pretrained(tmp_path / name)
        loaded: Any = load_model(tmp_path / name)
        assert loaded.base_model.config._attn_implementation == ("eager" if family == "gemma2" else "sdpa")
        with torch.no_grad():
            assert loaded(input_ids=tokens.to(loaded.device)).logits.isfinite().all()


@pytest.mark.parametrize("fast", [torch.bfloat16, torch.float32])
def test_weights_are_held_in_float32_for_a_time_and_come_back_as_they_were(monkeypatch, fast):
    monkeypatch.setattr("multipl_moe.checkpoints.loading.fast_dtype", lambda: fast)
    model = tiny_hybrid().to(torch.bfloat16)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    with held_in_fast_dtype(model):
        assert {parameter.dtype for parameter in model.parameters()} == {fast}
    after = dict(model.named_parameters())
    assert all(torch.equal(before[name], after[name]) and after[name].dtype == torch.bfloat16 for name in before)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (NAME, None, "missing: "),
        ("model.layers.2.mlp.shared_expert.up_proj.weight", None, "missing: "),
        ("model.layers.1.mlp.segment_threshold", None, "missing: "),
        ("lm_head.weight", None, "missing: "),
        ("model.layers.0.mlp.experts.down_proj", torch.zeros(1), "unexpected: "),
        (NAME, torch.zeros(5, 32, 48), "of another shape: "),
    ],
)
def test_weights_that_are_no_whole_hybrid_are_an_error_that_names_what_is_wrong(folder, name, value, told):
    change_weights(folder, {name: value})
    with pytest.raises(BaseModelError, match=re.escape(told + name)):
        load_hybrid(folder)


def test_a_folder_without_configuration_is_an_error(folder):
    (folder / "config.json").unlink()
    with pytest.raises(BaseModelError, match=r"no config\.json; give a folder that `multipl-moe upcycle` wrote"):
        load_hybrid(folder)


def test_settings_of_another_type_are_an_error_that_names_them(folder):
    config = json.loads((folder / "config.json").read_text())
    for moe, message in [
        (5, "moe"),
        ("causal", "moe"),
        ([1], "moe"),
        ({"routing": {"token_top_k": "2"}}, r"moe\.routing\.token_top_k: .* must be"),
        ({"experts": {"layers": None}}, r"moe\.experts\.layers: .* must be"),
        ({"routing": {"fusion": []}}, r"moe\.routing\.fusion: .* is not one of"),
    ]:
        (folder / "config.json").write_text(json.dumps(config | {"moe": moe}))
        for load in (load_hybrid, load_model):
            with pytest.raises(BaseModelError, match=message):
                load(folder)
