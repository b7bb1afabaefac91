"""The model around the layer: files, names, equality with the base, refusals, checkpointing, losses, thresholds."""

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.model.families import FAMILIES
from tests import reference
from tests.conftest import random_tokens, randomise, tiny_base_config, tiny_hybrid, tiny_moe

_CAUSAL_PRESETS = ["causal", "token-only", "segment-only", "moe-lpr"]


def _hybrid(base: Any, preset: str = "causal", **overrides: Any) -> MultiplMoeForCausalLM:
    return MultiplMoeForCausalLM(MultiplMoeConfig(text_config=base, moe=tiny_moe(preset, **overrides).to_dict()))


# Files


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("preset", ["causal", "token-only", "segment-only"])
def test_saving_and_loading_gives_the_same_model(tmp_path: Path, preset: str, tied: bool):
    model = _hybrid(tiny_base_config(tie_word_embeddings=tied), preset).eval()
    randomise(model)
    for layer in model.hybrid_layers.values():
        if preset != "token-only":
            layer.segment_threshold.copy_(torch.rand(3))
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path).eval()

    assert isinstance(config, MultiplMoeConfig)
    assert isinstance(loaded, MultiplMoeForCausalLM)
    assert config.moe_config == tiny_moe(preset)
    assert config.base_config.to_dict() == model.config.base_config.to_dict()
    state, loaded_state = model.state_dict(), loaded.state_dict()
    assert state.keys() == loaded_state.keys()
    assert all(torch.equal(state[name], loaded_state[name]) for name in state)
    tokens = random_tokens(2, 13)
    assert torch.equal(model(input_ids=tokens).logits, loaded(input_ids=tokens).logits)

    assert config.tie_word_embeddings == tied
    assert (loaded.lm_head.weight is loaded.get_input_embeddings().weight) == tied
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert ("lm_head.weight" in file.keys()) != tied  # noqa: SIM118


def test_thresholds_stay_float32_in_a_bfloat16_model(tmp_path: Path):
    model = tiny_hybrid()
    for layer in model.hybrid_layers.values():
        layer.segment_threshold.copy_(torch.tensor([0.3000001, 0.123456789, 1 / 3]))
    model.save_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for index, layer in loaded.hybrid_layers.items():
        assert layer.segment_threshold.dtype == torch.float32
        assert torch.equal(layer.segment_threshold, model.hybrid_layers[index].segment_threshold)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert loaded(input_ids=random_tokens(2, 13)).logits.isfinite().all()
    loaded.train()(input_ids=random_tokens(2, 13), labels=random_tokens(2, 13)).loss.backward()
    loaded(input_ids=random_tokens(2, 13))


def test_a_bfloat16_model_saved_again_keeps_the_thresholds(tmp_path: Path):
    tiny_hybrid().to(torch.float32).save_pretrained(tmp_path / "a")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "a", dtype=torch.bfloat16)
    for layer in loaded.hybrid_layers.values():
        layer.segment_threshold.fill_(1 / 3)
    loaded.save_pretrained(tmp_path / "b")
    again: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "b")
    assert all((layer.segment_threshold == 1 / 3).all() for layer in again.hybrid_layers.values())
    assert again.lm_head.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("family", "ffn"),
    [
        ("qwen2", {"gate_proj.weight": (48, 32), "up_proj.weight": (48, 32), "down_proj.weight": (32, 48)}),
        ("phi3", {"gate_up_proj.weight": (96, 32), "down_proj.weight": (32, 48)}),
    ],
)
def test_files_have_the_names_and_shapes_of_the_design(tmp_path: Path, family: str, ffn: dict[str, tuple[int, int]]):
    model = tiny_hybrid(family=family, layers=[2])
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    mlp = {name.split("layers.2.mlp.")[1]: shape for name, shape in shapes.items() if "layers.2.mlp." in name}
    assert mlp == {
        **{f"shared_expert.{name}": shape for name, shape in ffn.items()},
        "experts.gate_up_proj": (3 + 3, 2 * 48, 32),
        "experts.down_proj": (3 + 3, 32, 48),
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


def test_config_json_has_the_base_under_text_config_and_the_layer_under_moe(tmp_path: Path):
    tiny_hybrid("segment-only").config.save_pretrained(tmp_path)
    values = AutoConfig.from_pretrained(tmp_path).to_dict()
    assert values["model_type"] == "multipl_moe"
    assert values["text_config"]["model_type"] == "llama"
    assert values["moe"] == tiny_moe("segment-only").to_dict()


def test_a_new_layer_starts_with_thresholds_of_one_over_the_experts_and_a_zero_start_vector():
    for layer in _hybrid(tiny_base_config(), num_segment_experts=5).hybrid_layers.values():
        assert torch.equal(layer.segment_threshold, torch.full((5,), 1 / 5))
        assert not layer.segment_start.any()


# Equality with the base

_STACKED = {
    "phi3": {"gate_up_proj": ["gate_up_proj"], "down_proj": ["down_proj"]},
    "starcoder2": {"up_proj": ["c_fc"], "down_proj": ["c_proj"]},
}
_GATED = {"gate_up_proj": ["gate_proj", "up_proj"], "down_proj": ["down_proj"]}


@torch.no_grad()
def _copy_base(base: Any, model: MultiplMoeForCausalLM, family: str) -> None:
    """Load the base's weights and copy each hybrid layer's block into all of its experts."""
    state = {}
    for name, tensor in base.state_dict().items():
        for index in model.hybrid_layers:
            name = name.replace(f".layers.{index}.mlp.", f".layers.{index}.mlp.shared_expert.")
        state[name] = tensor
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(key.split(".mlp.")[1].split(".")[0] not in ("shared_expert", "act_fn") for key in missing)
    for layer in model.hybrid_layers.values():
        parts = dict(layer.shared_expert.named_parameters())
        for stacked, names in _STACKED.get(family, _GATED).items():
            getattr(layer.experts, stacked).copy_(torch.cat([parts[f"{name}.weight"] for name in names]))
            if f"{names[0]}.bias" in parts:
                getattr(layer.experts, f"{stacked}_bias").copy_(torch.cat([parts[f"{name}.bias"] for name in names]))


@pytest.mark.parametrize(
    ("family", "preset"), [*((family, "causal") for family in FAMILIES), *(("llama", p) for p in _CAUSAL_PRESETS[1:])]
)
def test_experts_copied_from_the_base_give_its_logits(family: str, preset: str):
    base: Any = AutoModelForCausalLM.from_config(tiny_base_config(family)).eval()
    randomise(base)
    model = _hybrid(base.config, preset, layers=[0, 1, 2]).eval()
    randomise(model, seed=1)
    tokens, mask = random_tokens(3, 37), torch.ones(3, 37, dtype=torch.long)
    mask[1, :9] = mask[2, 30:] = 0
    inputs: dict[str, Any] = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    real = mask == 1
    with torch.no_grad():
        expected = base(input_ids=tokens, **inputs).logits[real]
        different = model(input_ids=tokens, **inputs).logits[real]
        _copy_base(base, model, family)
        equal = model(input_ids=tokens, **inputs).logits[real]
    assert expected.std() > 0.1
    assert (different - expected).abs().max() > 0.1
    assert (equal - expected).abs().max() <= 1e-3


def test_paper_with_copied_experts_does_not_give_the_logits_of_the_base():
    base: Any = AutoModelForCausalLM.from_config(tiny_base_config()).eval()
    randomise(base)
    model = _hybrid(base.config, "paper").eval()
    randomise(model, seed=1)
    _copy_base(base, model, "llama")
    tokens = random_tokens(1, 37)
    with torch.no_grad():
        assert (model(input_ids=tokens).logits - base(input_ids=tokens).logits).abs().max() > 1e-2


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "granite"])
def test_the_family_does_to_its_logits_what_this_test_expects(family: str):
    """Without softcap or scaling in the tiny configuration the equality above would not cover them."""
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
    with pytest.raises(BaseModelError, match=reason) as error:
        _hybrid(base)
    assert name in str(error.value)
    assert all(family in str(error.value) for family in FAMILIES)


@pytest.mark.parametrize("layers", [[], [3], [0, 17]])
def test_layers_that_the_base_lacks_are_refused(layers: list[int]):
    with pytest.raises(ConfigError, match=r"moe\.layers: .*0\.\.2"):
        _hybrid(tiny_base_config(), layers=layers)


# Training


def _step(model: MultiplMoeForCausalLM, tokens: torch.Tensor) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of a step whose optimiser leaves the weights as they are."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.zero_grad()
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    optimizer.step()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("preset", ["causal", "paper", "moe-lpr"])
def test_gradient_checkpointing_changes_neither_loss_nor_gradients(preset: str, rows: int):
    plain, checkpointed = tiny_hybrid(preset).train(), tiny_hybrid(preset).train()
    checkpointed.activation_checkpointing_enable()
    passes = []
    checkpointed.hybrid_layers[1].register_forward_pre_hook(lambda *_: passes.append(1))
    for step in range(3):  # the stored thresholds move from step to step
        tokens = random_tokens(rows, 21, seed=step)
        (loss, gradients), (loss_2, gradients_2) = _step(plain, tokens), _step(checkpointed, tokens)
        assert len(passes) == 2 * (step + 1)
        assert loss == pytest.approx(loss_2, rel=1e-6)
        assert gradients.keys() == gradients_2.keys()
        for name in gradients:
            torch.testing.assert_close(gradients[name], gradients_2[name])
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


def test_thresholds_move_by_a_tenth_with_each_optimiser_step_and_never_within_one():
    model = tiny_hybrid().train()
    layer = model.hybrid_layers[1]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    gates = []
    layer.observer = lambda layer, plan, tokens, segments: gates.append(segments.gates.detach())
    start = layer.segment_threshold.clone()
    for seed in (1, 2):  # two batches of one step, as with accumulation
        tokens = random_tokens(3, 22, seed=seed)
        model(input_ids=tokens, labels=tokens).loss.backward()
    assert torch.equal(layer.segment_threshold, start)
    optimizer.step()
    both = torch.cat(gates)
    quantile = torch.tensor([reference.stored_threshold(both[:, e].tolist(), 1.0, 3) for e in range(3)])
    torch.testing.assert_close(layer.segment_threshold, 0.9 * start + 0.1 * quantile, rtol=2e-5, atol=0)
    assert not torch.allclose(layer.segment_threshold, start)
    moved = layer.segment_threshold.clone()
    optimizer.step()
    assert torch.equal(layer.segment_threshold, moved)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_thresholds_move_in_models_cast_to_another_type(dtype: torch.dtype):
    model = tiny_hybrid().to(dtype).train()
    start = model.hybrid_layers[1].segment_threshold.clone()
    for seed in range(2):
        _step(model, random_tokens(3, 22, seed=seed))
    assert not torch.equal(model.hybrid_layers[1].segment_threshold, start)


def test_evaluation_does_not_move_thresholds():
    model = tiny_hybrid().train()
    _step(model, random_tokens(3, 22))
    before = [layer.segment_threshold.clone() for layer in model.hybrid_layers.values()]
    model.eval()
    for seed in range(2):
        model(input_ids=random_tokens(3, 22, seed=seed))
    after = [layer.segment_threshold for layer in model.hybrid_layers.values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_copy_of_the_model_runs_its_own_layers():
    model = tiny_hybrid()
    other = copy.deepcopy(model)
    tokens = random_tokens(2, 9)
    randomise(other, seed=1)
    assert other.hybrid_layers[1] is not model.hybrid_layers[1]
    assert other.model.base_decoder.layers[1] is other.model.layers[1]
    assert not torch.allclose(other(input_ids=tokens).logits, model(input_ids=tokens).logits)


@pytest.mark.parametrize("keep", [1, 5])
def test_logits_to_keep_gives_the_last_logits(keep: int):
    model, tokens = tiny_hybrid(), random_tokens(2, 11)
    torch.testing.assert_close(
        model(input_ids=tokens, logits_to_keep=keep).logits, model(input_ids=tokens).logits[:, -keep:]
    )


def test_a_tuple_is_returned_where_one_is_asked_for():
    model, tokens = tiny_hybrid(), random_tokens(2, 13)
    with torch.no_grad():
        output, (loss, logits) = model(tokens, labels=tokens), model(tokens, labels=tokens, return_dict=False)
    assert torch.equal(loss, output.loss)
    assert torch.equal(logits, output.logits)


def test_embeddings_instead_of_token_ids_give_the_same_logits():
    model, tokens = tiny_hybrid(), random_tokens(2, 11)
    embeddings = model.get_input_embeddings()(tokens)
    assert torch.equal(model(inputs_embeds=embeddings).logits, model(input_ids=tokens).logits)


@pytest.mark.parametrize("preset", ["causal", "token-only", "paper"])
def test_an_attention_mask_that_is_not_of_rows_and_tokens_is_refused(preset: str):
    model, tokens = tiny_hybrid(preset), random_tokens(2, 9)
    full: Any = torch.ones(2, 1, 9, 9, dtype=torch.bool).tril()
    for mask in (full, full.float(), {"full_attention": full}):
        with pytest.raises(ValueError, match=r"attention_mask: it must be \(rows, tokens\)"):
            model(input_ids=tokens, attention_mask=mask)
