"""Loading a hybrid checkpoint strictly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from multipl_moe.checkpoints.loading import held_in_fast_dtype, load_hybrid, load_model
from multipl_moe.errors import BaseModelError
from multipl_moe.model.families import FAMILIES
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


def test_a_loaded_checkpoint_gives_the_same_logits(folder):
    tokens = random_tokens(2, 30)
    with torch.no_grad():
        assert torch.equal(load_hybrid(folder)(input_ids=tokens).logits, tiny_hybrid()(input_ids=tokens).logits)


def test_the_dtype_is_the_checkpoint_s_unless_another_is_asked_for(folder, tmp_path):
    tiny_hybrid().to(torch.bfloat16).save_pretrained(tmp_path / "half")
    assert load_hybrid(folder).dtype == torch.float32
    assert load_hybrid(tmp_path / "half").dtype == torch.bfloat16
    assert load_hybrid(tmp_path / "half", dtype=torch.float32).dtype == torch.float32


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_told_when_it_is_loaded(folder, value):
    weights = load_file(folder / "model.safetensors")
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
    ours, theirs = model.state_dict(), half.to(fast).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_every_family_are_evaluated_dense_and_hybrid(tmp_path, family):
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


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: change_weights(folder, {name: None})


_MISSING: dict[str, tuple[Callable[[Path], object], str]] = {
    f"without {name}": (without(name), rf"missing: {name}")
    for name in (
        NAME,
        "model.layers.2.mlp.shared_expert.up_proj.weight",
        "model.layers.1.mlp.segment_threshold",
        "lm_head.weight",
    )
}
_BROKEN: dict[str, tuple[Callable[[Path], object], str]] = _MISSING | {
    "an unexpected tensor": (
        lambda folder: change_weights(folder, {"model.layers.0.mlp.experts.down_proj": torch.zeros(1)}),
        r"unexpected: model\.layers\.0\.mlp\.experts\.down_proj",
    ),
    "another shape": (lambda folder: change_weights(folder, {NAME: torch.zeros(5, 32, 48)}), NAME),
    "no configuration": (
        lambda folder: (folder / "config.json").unlink(),
        r"no config\.json; give a folder that `multipl-moe upcycle` wrote",
    ),
}


@pytest.mark.parametrize("kind", _BROKEN)
def test_a_folder_that_holds_no_whole_hybrid_is_an_error_that_names_what_is_wrong(folder, kind):
    make, message = _BROKEN[kind]
    make(folder)
    with pytest.raises(BaseModelError, match=message):
        load_hybrid(folder)


@pytest.mark.parametrize(
    "change", [("routing", "token_top_k", "2"), ("experts", "layers", None), ("routing", "fusion", [])]
)
def test_a_setting_of_another_type_is_an_error_that_names_it(folder, change):
    config, (part, key, value) = json.loads((folder / "config.json").read_text()), change
    (folder / "config.json").write_text(
        json.dumps(config | {"moe": config["moe"] | {part: config["moe"][part] | {key: value}}})
    )
    with pytest.raises(BaseModelError, match=rf"moe\.{part}\.{key}: .* (must be|is not one of)"):
        load_hybrid(folder)
    with pytest.raises(BaseModelError, match=rf"moe\.{part}\.{key}: .* (must be|is not one of)"):
        load_model(folder)


@pytest.mark.parametrize("moe", [5, "causal", [1]])
def test_settings_that_are_no_object_are_an_error(folder, moe):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"moe": moe}))
    with pytest.raises(BaseModelError, match="moe"):
        load_hybrid(folder)
