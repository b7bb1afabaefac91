"""The model around the layer: files, names, equality with the base, refusals, checkpointing, losses, thresholds."""

import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING, AUTO_QUANTIZER_MAPPING
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM, MultiplMoeModel
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.model.families import FAMILIES
from tests.conftest import random_tokens, tiny_base_config, tiny_hybrid, tiny_moe
from tests.model.layouts import gradients_of, step_in_place

# Files


@pytest.mark.parametrize(
    ("preset", "expert_type", "tied"),
    [("causal", "full", True), ("causal", "lora", False), ("token-only", "full", False)],
)
def test_saving_and_loading_gives_the_same_model(tmp_path: Path, preset: str, expert_type: str, tied: bool):
    model = tiny_hybrid(preset, base={"tie_word_embeddings": tied}, type=expert_type)
    for layer in model.hybrid_layers.values():
        if preset != "token-only":
            layer.segment_threshold.copy_(torch.rand(3))
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path).eval()

    assert isinstance(config, MultiplMoeConfig)
    assert isinstance(loaded, MultiplMoeForCausalLM)
    assert config.moe_config == tiny_moe(preset, type=expert_type)
    assert config.base_config.to_dict() == model.config.base_config.to_dict()
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)
    tokens = random_tokens(2, 13)
    assert torch.equal(model(input_ids=tokens).logits, loaded(input_ids=tokens).logits)

    assert config.tie_word_embeddings == tied
    assert (loaded.lm_head.weight is loaded.get_input_embeddings().weight) == tied
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert ("lm_head.weight" in file.keys()) != tied  # noqa: SIM118


_DOWN = {"experts.down_proj": (3 + 3, 32, 48)}
_GATE_UP = {"experts.gate_up_proj": (3 + 3, 2 * 48, 32)} | _DOWN
_DOWN_FACTORS = {"experts.down_proj_a": (3 + 3, 4, 48), "experts.down_proj_b": (3 + 3, 32, 4)}
_FACTORS = {"experts.gate_up_proj_a": (3 + 3, 4, 32), "experts.gate_up_proj_b": (3 + 3, 2 * 48, 4)} | _DOWN_FACTORS
_PLAIN_FACTORS = {"experts.up_proj_a": (3 + 3, 4, 32), "experts.up_proj_b": (3 + 3, 48, 4)} | _DOWN_FACTORS
_BIASES = {"experts.up_proj_bias": (3 + 3, 48), "experts.down_proj_bias": (3 + 3, 32)}
_GATED = {"gate_proj.weight": (48, 32), "up_proj.weight": (48, 32), "down_proj.weight": (32, 48)}
_PLAIN = {"c_fc.weight": (48, 32), "c_fc.bias": (48,), "c_proj.weight": (32, 48), "c_proj.bias": (32,)}


@pytest.mark.parametrize(
    ("family", "expert_type", "ffn", "experts"),
    [
        ("qwen2", "lora", _GATED, _FACTORS),
        ("phi3", "full", {"gate_up_proj.weight": (96, 32), "down_proj.weight": (32, 48)}, _GATE_UP),
        ("starcoder2", "full", _PLAIN, {"experts.up_proj": (3 + 3, 48, 32)} | _DOWN | _BIASES),
        ("starcoder2", "lora", _PLAIN, _PLAIN_FACTORS),
    ],
)
def test_files_have_the_names_and_shapes_of_the_design(tmp_path, family, expert_type, ffn, experts):
    model = tiny_hybrid(family=family, layers=[2], type=expert_type, rank=4)
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    mlp = {name.split("layers.2.mlp.")[1]: shape for name, shape in shapes.items() if "layers.2.mlp." in name}
    assert mlp == {
        **{f"shared_expert.{name}": shape for name, shape in ffn.items()},
        **experts,
        "token_router.weight": (4, 32),
        "token_bias": (3,),
        "segment_mean": (32,),
        "segment_router.weight": (3, 32),
        "segment_threshold": (3,),
        "segment_start": (32,),
    }
    base = AutoModelForCausalLM.from_config(tiny_base_config(family))
    elsewhere = {name for name in shapes if "layers.2.mlp." not in name}
    assert elsewhere == {name for name in base.state_dict() if "layers.2.mlp." not in name}


# The base (that copies of its blocks give its logits: tests/upcycle/test_convert.py)


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "granite"])
def test_the_family_does_to_its_logits_what_this_test_expects(family: str):
    """Without softcap or scaling in the tiny configuration, equality with the base would not cover them."""
    base = tiny_base_config(family)
    changed = getattr(base, "final_logit_softcapping", None) or getattr(base, "logits_scaling", 1)
    assert changed not in (None, 1)


@pytest.mark.parametrize(("family", "default"), [("llama", "sdpa"), ("gemma2", "eager")])
def test_attention_is_the_default_of_the_base_unless_one_is_asked_for(tmp_path: Path, family: str, default: str):
    model = tiny_hybrid(family=family)
    assert model.model.config._attn_implementation == model.config._attn_implementation == default
    MultiplMoeForCausalLM(model.config)
    model.save_pretrained(tmp_path)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).model.config._attn_implementation == default
    eager: Any = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    assert eager.model.config._attn_implementation == "eager"
    tokens = random_tokens(2, 13)
    torch.testing.assert_close(eager(input_ids=tokens).logits, model(input_ids=tokens).logits)


# Refusals


@pytest.mark.parametrize("name", ["gpt2", "mixtral", "qwen2_moe", "multipl_moe"])
def test_bases_that_cannot_be_upcycled_are_refused_with_those_that_can(name: str):
    base = tiny_hybrid().config if name == "multipl_moe" else AutoConfig.for_model(name)
    reason = "not supported" if name == "gpt2" else "already a mixture of experts"
    config = MultiplMoeConfig(text_config=base, moe=tiny_moe().to_dict())
    for entrance in (MultiplMoeForCausalLM, AutoModel.from_config):
        with pytest.raises(BaseModelError, match=reason) as error:
            entrance(config)
        assert all(known in str(error.value) for known in (name, *FAMILIES))


@pytest.mark.parametrize("layers", [[], [0, 3]])
def test_layers_that_the_base_lacks_are_refused(layers: list[int]):
    with pytest.raises(ConfigError, match=r"moe\.experts\.layers: .*0\.\.2"):
        tiny_hybrid(layers=layers)


# Training


@pytest.mark.parametrize(
    ("preset", "expert_type", "rows"),
    [("causal", "full", 1), ("causal", "lora", 3), ("paper", "full", 3)],
)
def test_gradient_checkpointing_changes_neither_loss_nor_gradients(preset: str, expert_type: str, rows: int):
    plain, checkpointed = (tiny_hybrid(preset, type=expert_type).train() for _ in range(2))
    checkpointed.activation_checkpointing_enable()
    passes = []
    checkpointed.hybrid_layers[1].register_forward_pre_hook(lambda *_: passes.append(1))
    for step in range(2):  # the stored thresholds move from step to step
        tokens = random_tokens(rows, 21, seed=step)
        torch.testing.assert_close(*(step_in_place(one, tokens) for one in (plain, checkpointed)), rtol=1e-6, atol=0)
        assert len(passes) == 2 * (step + 1)
        torch.testing.assert_close(gradients_of(plain), gradients_of(checkpointed))
    for a, b in zip(plain.hybrid_layers.values(), checkpointed.hybrid_layers.values(), strict=True):
        if preset == "causal":
            assert not torch.equal(a.segment_threshold, torch.full((3,), 1 / 3))
            assert torch.equal(a.segment_threshold, b.segment_threshold)


def test_checkpointing_leaves_no_activations_behind():
    model = tiny_hybrid().train()
    model.activation_checkpointing_enable()
    for step in range(2):
        kept: list[weakref.ref] = []
        hook = model.hybrid_layers[1].register_forward_hook(lambda *args, kept=kept: kept.append(weakref.ref(args[-1])))
        output = model(input_ids=random_tokens(2, 21, seed=step), labels=random_tokens(2, 21, seed=step))
        output.loss.backward()
        hook.remove()
        del output
        gc.collect()
        assert [activation() for activation in kept] == [None]


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_an_all_padding_batch_gives_finite_gradients(training: bool):
    model = tiny_hybrid().train(training)
    model(input_ids=random_tokens(2, 9), labels=random_tokens(2, 9)).loss.backward()
    model.zero_grad()
    mask = torch.zeros(2, 9, dtype=torch.long)
    output = model(input_ids=random_tokens(2, 9), attention_mask=mask, labels=random_tokens(2, 9))
    output.loss.backward()
    assert output.loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert model(input_ids=random_tokens(2, 9)).logits.isfinite().all()


def test_the_logits_are_the_same_however_they_are_asked_for():
    model, tokens = tiny_hybrid(), random_tokens(2, 11)
    with torch.no_grad():
        output = model(input_ids=tokens, labels=tokens)
        loss, logits = model(tokens, labels=tokens, return_dict=False)
        for keep in (1, 5):
            kept = model(input_ids=tokens, logits_to_keep=keep).logits
            torch.testing.assert_close(kept, output.logits[:, -keep:])
        embedded = model(inputs_embeds=model.get_input_embeddings()(tokens)).logits
    assert torch.equal(loss, output.loss)
    assert torch.equal(logits, output.logits)
    assert torch.equal(embedded, output.logits)


def test_an_attention_mask_that_is_not_of_rows_and_tokens_is_refused():
    model, tokens = tiny_hybrid(), random_tokens(2, 9)
    full: Any = torch.ones(2, 1, 9, 9, dtype=torch.bool).tril()
    for mask in (full, full.float(), {"full_attention": full}):
        with pytest.raises(ValueError, match=r"attention_mask: it must be \(rows, tokens\)"):
            model(input_ids=tokens, attention_mask=mask)


# Transformers' own entrances: AutoModel, another attention, loading with a quantiser


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("gemma2", True)])
def test_auto_model_loads_the_decoder_of_a_causal_model(tmp_path: Path, family: str, tied: bool):
    model = tiny_hybrid(family=family, base={"tie_word_embeddings": tied})
    model.save_pretrained(tmp_path / "causal")
    decoder, info = AutoModel.from_pretrained(tmp_path / "causal", output_loading_info=True)
    assert type(decoder) is MultiplMoeModel
    assert info["unexpected_keys"] == (set() if tied else {"lm_head.weight"})
    assert not info["missing_keys"] | info["mismatched_keys"]
    tokens = random_tokens(2, 13)
    with torch.no_grad():
        expected = model.model(input_ids=tokens, output_hidden_states=True, use_cache=True)
        found = decoder(input_ids=tokens, output_hidden_states=True, use_cache=True)
        assert torch.equal(found.last_hidden_state, expected.last_hidden_state)
        assert len(found.hidden_states) == len(expected.hidden_states) == 4
        assert found.cache.get_seq_length() == 13

        decoder.save_pretrained(tmp_path / "decoder")
        again: Any = AutoModel.from_pretrained(tmp_path / "decoder")
        assert torch.equal(again(input_ids=tokens).last_hidden_state, expected.last_hidden_state)


class _Nothing(QuantizationConfigMixin):
    """The settings of a quantiser that leaves all as it is."""

    def __init__(self) -> None:
        self.quant_method: Any = "nothing"


class _LeaveAsItIs(HfQuantizer):
    requires_calibration = False

    @property
    def is_trainable(self) -> Any:
        return True

    def is_serializable(self) -> Any:
        return True


def test_loading_with_a_quantiser_is_told_that_experts_stay_as_they_are(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(AUTO_QUANTIZATION_CONFIG_MAPPING, "nothing", _Nothing)
    monkeypatch.setitem(AUTO_QUANTIZER_MAPPING, "nothing", _LeaveAsItIs)
    tiny_hybrid().save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, "multipl_moe"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
        assert "quantization_config" not in caplog.text
        AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=_Nothing())
    assert caplog.text.count("quantization_config: bitsandbytes, torchao, GPTQ") == 1
    tiny_hybrid("gated-single", type="lora").save_pretrained(tmp_path / "pack")
    with pytest.raises(ConfigError, match="a pack's adapters lie beside"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "pack", quantization_config=_Nothing())


@pytest.mark.parametrize("part", ["head", "decoder"])
def test_another_attention_reaches_the_base_and_nothing_is_said_about_it(part: str, caplog: pytest.LogCaptureFixture):
    model: Any = tiny_hybrid()
    model = model if part == "head" else model.model
    tokens, before = random_tokens(2, 13), model.config._attn_implementation
    wanted = "eager" if before == "sdpa" else "sdpa"
    expected = model(input_ids=tokens)[0]
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        model.set_attn_implementation(wanted)
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records
    assert model.config._attn_implementation == model.config.text_config._attn_implementation == wanted
    torch.testing.assert_close(model(input_ids=tokens)[0], expected, rtol=1e-4, atol=1e-5)
