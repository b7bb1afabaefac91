"""What a conversion writes: names and shapes of design 3, and what it asks of a base."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import BaseModelError
from multipl_moe.upcycle.convert import upcycle
from multipl_moe.upcycle.plan import UpcyclePlan, add_noise
from tests.conftest import random_tokens, tiny_moe
from tests.train.tiny import tensors as weights

from .conftest import recipe_for, save_base
from .test_convert import difference

HIDDEN = 32


def plan_for(folder, **moe) -> UpcyclePlan:
    return UpcyclePlan(
        CheckpointReader(folder),
        AutoConfig.from_pretrained(folder),
        tiny_moe("causal", **moe),
        dtype=torch.bfloat16,
        noise=0.0,
        seed=0,
    )


def values(plan: UpcyclePlan, name: str) -> torch.Tensor:
    (tensor,) = [tensor for tensor in plan.tensors() if tensor.name == f"model.layers.1.mlp.{name}"]
    return torch.cat([piece.flatten() for piece in tensor.pieces()]).view(tensor.shape)


def test_routers_start_random_with_the_bases_spread_thresholds_at_a_fair_share_and_biases_at_zero(tmp_path):
    plan = plan_for(save_base(tmp_path / "base", initializer_range=0.3), num_token_experts=50)
    assert values(plan, "segment_threshold").tolist() == pytest.approx([1 / 3] * 3)
    assert not values(plan, "segment_start").any()
    assert not values(plan, "token_bias").any()
    drawn = values(plan, "token_router.weight")
    assert drawn.std().item() == pytest.approx(0.3, rel=0.1)
    assert not torch.equal(values(plan, "segment_router.weight"), drawn[:3])
    other = next(t for t in plan.tensors() if t.name == "model.layers.2.mlp.token_router.weight")
    assert not torch.equal(torch.cat(list(other.pieces())), drawn)


def test_all_missing_and_misshapen_tensors_are_named_at_once(tmp_path):
    folder = save_base(tmp_path / "base", mlp_bias=True)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"], weights["model.layers.2.mlp.down_proj.bias"]
    weights["model.layers.2.mlp.down_proj.weight"] = torch.zeros(HIDDEN, 5)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(BaseModelError) as caught:
        plan_for(folder)
    assert "tensor model.layers.1.mlp.up_proj.weight is missing" in str(caught.value)
    assert "tensor model.layers.2.mlp.down_proj.bias is missing" in str(caught.value)
    assert "tensor model.layers.2.mlp.down_proj.weight has shape (32, 5), expected (32, 48)" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "stored", "name"),
    [
        ("model.layers.1.mlp.up_proj.weight", torch.float8_e4m3fn, "F8_E4M3"),
        ("lm_head.weight", torch.float64, "F64"),
    ],
)
def test_a_tensor_of_codes_or_of_another_precision_is_refused(tmp_path, key, stored, name):
    folder = save_base(tmp_path / "base")
    found = load_file(folder / "model.safetensors")
    save_file(found | {key: found[key].to(stored)}, folder / "model.safetensors")
    with pytest.raises(BaseModelError, match=f"tensor {key} is stored as {name}; convert it to F32, BF16, F16"):
        plan_for(folder)


@pytest.mark.parametrize(("noise", "scale"), [(0.01, 1.0), (0.2, 0.03)])
def test_noise_is_measured_in_standard_deviations_of_the_weight(noise, scale):
    weight, generator = scale * torch.randn(300, 200), torch.Generator().manual_seed(0)
    added = add_noise(weight, noise, generator) - weight
    assert added.std().item() == pytest.approx(noise * scale, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.02 * noise * scale)
    assert torch.equal(add_noise(weight, 0.0, generator), weight)


@pytest.mark.parametrize(("family", "targets"), [("llama", "all"), ("starcoder2", "ffn"), ("phi3", "all")])
def test_adapters_lie_beside_the_bases_matrices_under_its_own_names(tmp_path, family, targets):
    base = save_base(tmp_path / "base", family)
    upcycle(recipe_for(base, "single", experts={"type": "lora", "targets": targets}), tmp_path / "out")
    before, after = weights(base), weights(tmp_path / "out")
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert difference(base, tmp_path / "out", random_tokens(2, 50, seed=9)) == 0
    new = {name: value for name, value in after.items() if name not in before}
    adapted = {name.partition(".adapters.pack.")[0] for name in new}
    parts = ("mlp", "self_attn") if targets == "all" else ("mlp",)
    assert adapted == {
        name.removesuffix(".weight")
        for name, value in before.items()
        if value.ndim == 2 and any(f"layers.{layer}.{part}." in name for part in parts for layer in (1, 2))
    }
    for name in adapted:
        a, b = (new[f"{name}.adapters.pack.lora_{factor}"] for factor in "AB")
        assert not b.any()
        assert a.std().item() == pytest.approx(a.shape[-1] ** -0.5, rel=0.35)
