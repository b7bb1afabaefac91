"""What a conversion writes: names and shapes of design 3, and what it asks of a base."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import BaseModelError
from multipl_moe.upcycle.convert import upcycle
from multipl_moe.upcycle.plan import UpcyclePlan, add_noise, dropped_units, reinitialize_units
from tests.conftest import random_tokens, tiny_moe

from .conftest import recipe_for, save_base
from .test_convert import difference, weights, with_lora

HIDDEN, INTERMEDIATE = 32, 48


def plan_for(
    folder,
    preset: str = "causal",
    noise: float = 0.0,
    reinit: float = 0.0,
    experts_from: CheckpointReader | None = None,
    **moe,
) -> UpcyclePlan:
    return UpcyclePlan(
        CheckpointReader(folder),
        AutoConfig.from_pretrained(folder),
        tiny_moe(preset, **moe),
        dtype=torch.bfloat16,
        noise=noise,
        reinit=reinit,
        seed=0,
        experts_from=experts_from,
    )


def store_as(dtype: torch.dtype, key: str, folder) -> None:
    """Cast one tensor of a base on disk."""
    found = load_file(folder / "model.safetensors")
    save_file(found | {key: found[key].to(dtype)}, folder / "model.safetensors")


def values(plan: UpcyclePlan, name: str) -> torch.Tensor:
    (tensor,) = [tensor for tensor in plan.tensors() if tensor.name == f"model.layers.1.mlp.{name}"]
    return torch.cat([piece.flatten() for piece in tensor.pieces()]).view(tensor.shape)


def test_thresholds_start_at_a_fair_share_and_biases_and_start_vector_at_zero(tmp_path):
    plan = plan_for(save_base(tmp_path / "base"))
    assert values(plan, "segment_threshold").tolist() == pytest.approx([1 / 3] * 3)
    assert not values(plan, "segment_start").any()
    assert not values(plan, "token_bias").any()


def test_routers_are_random_with_the_base_s_initial_spread_and_differ_by_layer_and_kind(tmp_path):
    plan = plan_for(save_base(tmp_path / "base", initializer_range=0.3), num_token_experts=50)
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
        ("model.layers.0.self_attn.q_proj.weight", torch.int8, "I8"),
        ("lm_head.weight", torch.float64, "F64"),
    ],
)
def test_a_tensor_of_codes_or_of_another_precision_is_refused(tmp_path, key, stored, name):
    folder = save_base(tmp_path / "base")
    store_as(stored, key, folder)
    with pytest.raises(BaseModelError, match=f"tensor {key} is stored as {name}; convert it to F32, BF16, F16"):
        plan_for(folder)


def test_experts_from_codes_are_refused(tmp_path):
    folder, tuned = save_base(tmp_path / "base"), save_base(tmp_path / "tuned")
    store_as(torch.float8_e4m3fn, "model.layers.1.mlp.up_proj.weight", tuned)
    with pytest.raises(BaseModelError, match=r"tuned: tensor .*up_proj\.weight is stored as F8_E4M3"):
        plan_for(folder, experts_from=CheckpointReader(tuned))


@pytest.mark.parametrize("family", ["llama", "phi3", "starcoder2"])
def test_drop_upcycling_resets_the_same_units_in_every_part_of_an_expert(tmp_path, family):
    folder = save_base(tmp_path / "base", family)
    plain, dropped = plan_for(folder), plan_for(folder, reinit=0.25)
    up = "up_proj" if family == "starcoder2" else "gate_up_proj"
    chosen = []
    for expert in range(6):
        up_changed = (values(plain, f"experts.{up}") != values(dropped, f"experts.{up}"))[expert]
        down_changed = (values(plain, "experts.down_proj") != values(dropped, "experts.down_proj"))[expert]
        units = down_changed.all(dim=0).nonzero().flatten().tolist()
        assert down_changed.any(dim=0).sum() == len(units) == 12
        expected = units if family == "starcoder2" else units + [unit + INTERMEDIATE for unit in units]
        assert up_changed.all(dim=1).nonzero().flatten().tolist() == expected
        assert up_changed.any(dim=1).sum() == len(expected)
        if family != "phi3":  # the other two have biases here
            bias_changed = (values(plain, f"experts.{up}_bias") != values(dropped, f"experts.{up}_bias"))[expert]
            assert bias_changed.nonzero().flatten().tolist() == expected
            assert torch.equal(values(plain, "experts.down_proj_bias"), values(dropped, "experts.down_proj_bias"))
        chosen.append(tuple(units))
    assert len(set(chosen)) == 6


# Noise and re-initialisation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("reinit", "number"), [(0.0, 0), (0.1, 5), (0.25, 12), (0.5, 24), (1.0, 48)])
def test_the_share_of_units_asked_for_is_dropped_each_once(reinit, number):
    units = dropped_units(48, reinit, generator()).tolist()
    assert len(units) == len(set(units)) == number
    assert set(units) <= set(range(48))
    assert reinit in (0, 1) or sorted(units) != list(range(number))


def test_fresh_units_have_the_statistics_of_those_they_replace():
    weight = torch.randn(400, 100)
    units = torch.arange(100)
    weight[units] = 3 + 0.5 * weight[units]
    fresh = reinitialize_units(weight, units, 0, generator())[units]
    assert fresh.mean().item() == pytest.approx(3, abs=0.03)
    assert fresh.std().item() == pytest.approx(0.5, abs=0.03)


def test_no_unit_and_no_noise_change_nothing_and_a_single_value_stays_finite():
    weight = torch.randn(3, 4)
    assert torch.equal(reinitialize_units(weight, torch.tensor([], dtype=torch.long), 0, generator()), weight)
    assert torch.equal(add_noise(weight, 0.0, generator()), weight)
    assert reinitialize_units(torch.tensor([1.0, 2.0]), torch.tensor([1]), 0, generator()).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("noise", "scale"), [(0.01, 1.0), (0.2, 1.0), (0.2, 0.03)])
def test_noise_is_measured_in_standard_deviations_of_the_weight(noise, scale):
    weight = scale * torch.randn(300, 200)
    added = add_noise(weight, noise, generator()) - weight
    assert added.std().item() == pytest.approx(noise * scale, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.02 * noise * scale)


@pytest.mark.parametrize("targets", ["ffn", "all"])
@pytest.mark.parametrize("family", ["llama", "starcoder2", "phi3"])
def test_adapters_lie_beside_the_bases_matrices_under_its_own_names(tmp_path, family, targets):
    base, recipe = save_base(tmp_path / "base", family), with_lora(recipe_for(tmp_path / "base", "single"))
    experts = recipe.moe.experts.model_copy(update={"targets": targets})
    upcycle(recipe.with_settings("moe", experts=experts), tmp_path / "out")
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
