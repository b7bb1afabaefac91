"""Native exports: transformers alone computes the hybrid's logits; where no architecture can, the reason is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from multipl_moe import MultiplMoeConfig
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export import native as native_module
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.export.native import native_config, plan_native, require_native
from tests.conftest import random_tokens, tiny_base_config, tiny_moe

from .conftest import refuse
from .natives import NATIVE_CASES, NativeCase, save_native_source

TOKENS = random_tokens(2, 40)


@pytest.fixture(scope="module", params=NATIVE_CASES, ids=lambda case: case.name)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hybrid, what was exported of it, and a copy of that as transformers saves it."""
    root = tmp_path_factory.mktemp("native")
    save_native_source(root / "hybrid", request.param)
    report = export_model(root / "hybrid", root / "native", ExportSettings(native=True))
    assert (report.native, report.needs_remote_code) == ("ernie4_5_moe", False)
    assert report.difference is not None
    assert 0 < report.difference <= 1e-4
    AutoModelForCausalLM.from_pretrained(root / "native").save_pretrained(root / "copy")
    return root


@torch.no_grad()
def test_transformers_own_classes_compute_what_the_hybrid_does(exported: Path):
    """Where this package cannot be imported, too: test_standalone.py."""
    config = json.loads((exported / "native" / "config.json").read_text())
    assert (config["model_type"], "auto_map" in config) == ("ernie4_5_moe", False)
    assert not list((exported / "native").glob("*.py"))
    expected = load_hybrid(exported / "hybrid").eval()(input_ids=TOKENS).logits
    assert expected.abs().max() > 0.5
    for folder in ("native", "copy"):
        model: Any = AutoModelForCausalLM.from_pretrained(exported / folder)
        assert type(model).__module__ == "transformers.models.ernie4_5_moe.modeling_ernie4_5_moe"
        torch.testing.assert_close(model.eval()(input_ids=TOKENS).logits, expected, rtol=0, atol=1e-4)


def test_weights_have_the_names_that_transformers_itself_writes_and_the_frozen_block_is_an_expert(exported: Path):
    before, ours, theirs = (load_file(exported / name / "model.safetensors") for name in ("hybrid", "native", "copy"))
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    assert all(torch.equal(value, theirs[name].to(value.dtype)) for name, value in ours.items())
    frozen = {name: value for name, value in before.items() if ".shared_expert." in name}
    assert len(frozen) >= 3
    for name, value in frozen.items():
        assert torch.equal(ours[name.replace("shared_expert", "experts.3")], value)


def test_the_result_takes_the_wanted_dtype_and_files(tmp_path):
    hybrid = save_native_source(tmp_path / "hybrid", NATIVE_CASES[0])
    settings = ExportSettings(native=True, dtype=torch.bfloat16, max_shard_bytes=20_000)
    report = export_model(hybrid, tmp_path / "out", settings)
    assert (report.dtype, report.num_files > 3) == (torch.bfloat16, True)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.bfloat16
    assert "vllm serve out" in (tmp_path / "out" / "README.md").read_text()


def test_biases_that_the_base_has_not_follow_in_the_order_of_their_matrices(tmp_path):
    hybrid = save_native_source(tmp_path / "hybrid", NATIVE_CASES[-1])
    planned = plan_native(hybrid, native_config(load_hybrid(hybrid).config), torch.float32)
    names, of_base = [plan.name for plan in planned], load_file(hybrid / "model.safetensors").keys()
    added = [name for name in names if name.endswith(".bias") and name not in of_base]
    assert len(added) > 5
    matrices = [names.index(name.replace(".bias", ".weight")) for name in added if name != "lm_head.bias"]
    assert matrices == sorted(matrices)


# --- what is refused


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (NativeCase("llama", "causal"), r"no architecture has segment-level experts \(preset causal\)"),
        (NativeCase("llama", moe={"languages": ["rust"]}), "no architecture has a domain gate$"),
        (
            NativeCase("llama", "single", moe={"languages": ["rust"]}),
            "no architecture has a domain gate; --merge folds it into a dense model",
        ),
        (NativeCase("llama", "single"), "it is a dense model: --merge writes exactly that"),
        (NativeCase("llama", moe={"type": "lora"}), "low-rank; write them out first"),
        (
            NativeCase("llama", moe={"fusion": "fixed", "token_weight": 0.7}),
            "no architecture has a fixed fusion with weight 0.7",
        ),
        (NativeCase("llama", base={"mlp_bias": True}), r"experts have biases \(mlp_bias\)"),
        (NativeCase("llama", base={"hidden_act": "gelu"}), "silu alone, not gelu"),
        (NativeCase("llama", layers=(0, 2)), "or every Nth is one, from the Nth on"),
        (NativeCase("mistral", base={"sliding_window": 8}), "it has no sliding window"),
        (NativeCase("qwen3"), "no expert of qwen3_moe is in every token's choice"),
        *((NativeCase(family), "no mixture of experts has its") for family in ("gemma2", "gemma3_text", "starcoder2")),
        (NativeCase("phi3"), "are one each"),
    ],
    ids=lambda value: value.name if isinstance(value, NativeCase) else "",
)
def test_what_no_architecture_holds_is_refused_with_the_reason(case, reason):
    with pytest.raises(ConfigError, match=rf"^--native: .*{reason}"):
        require_native(case.model().config)


@pytest.mark.parametrize(("bias", "is_refused"), [([0.3, 0.0, -0.1], True), ([0.3, 0.3, 0.3], False)])
def test_a_bias_on_logits_is_refused_where_it_alters_a_choice(tmp_path, bias, is_refused):
    case = NativeCase("llama", moe={"token_bias_rate": 0.5})
    model = case.model()
    for layer in model.hybrid_layers.values():
        layer.token_bias.copy_(torch.tensor(bias))
    model.save_pretrained(tmp_path / "hybrid")
    if is_refused:
        why = r"logits with a bias .* train with moe\.routing\.token_bias_rate=0"
        refuse(tmp_path / "hybrid", ConfigError, why, native=True)
    else:
        assert export_model(tmp_path / "hybrid", tmp_path / "out", ExportSettings(native=True)).native


def test_an_export_that_is_not_the_hybrid_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    hybrid = save_native_source(tmp_path / "hybrid", NATIVE_CASES[0])
    monkeypatch.setattr(native_module, "_ALWAYS", 0.0)  # the frozen block is then no longer in every choice
    refuse(hybrid, BaseModelError, "--native: what was written differs from the hybrid by up to", native=True)


@settings(max_examples=40)
@given(layers=st.sets(st.integers(0, 11), min_size=1).map(sorted))
def test_layers_of_an_evenly_spaced_architecture_are_the_hybrid_s(layers):
    base = tiny_base_config("llama", mlp_bias=False, num_hidden_layers=12)
    config = MultiplMoeConfig(text_config=base, moe=tiny_moe("token-only", layers=layers).to_dict())
    try:
        require_native(config)
    except ConfigError:
        assert all(layers != list(range(n - 1, 12, n)) for n in range(1, 13))
        return
    native: Any = native_config(config)
    first, last, step = native.moe_layer_start_index, native.moe_layer_end_index, native.moe_layer_interval
    assert [index for index in range(12) if (index + 1) % step == 0 and first <= index <= last] == layers
