"""Merging: the base from copies, the weighted mean against a slow reference, what it costs, what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.export.merge import merge_cost, merge_to_dense
from multipl_moe.model.expert_use import ExpertUse, expert_names
from multipl_moe.model.families import FAMILIES
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import random_tokens, tiny_hybrid
from tests.train.tiny import tensors as weights_in
from tests.upcycle.conftest import recipe_for, save_base

from .conftest import random_use

LOW_RANK = {"type": "lora", "rank": 4, "alpha": 3.0}


def merged(model: Path, folder: Path, dtype: torch.dtype | None = None) -> Path:
    folder.mkdir()
    merge_to_dense(model, folder, dtype)
    return folder


def save_hybrid(folder: Path, **arguments) -> tuple[Path, MoeConfig]:
    """A hybrid whose every weight is random, with random use of its experts in two languages."""
    model = tiny_hybrid(**arguments)
    model.save_pretrained(folder)
    moe = model.config.moe_config
    random_use(moe, "rust", "go", total=1.0 if moe.starts_at_base else 0.8).save(folder)
    return folder, moe


@pytest.mark.parametrize(("family", "tie_word_embeddings"), [(name, n % 2 == 0) for n, name in enumerate(FAMILIES)])
def test_copies_of_every_family_merge_to_the_base_to_the_bit(tmp_path, family, tie_word_embeddings):
    base = save_base(tmp_path / "base", family, tie_word_embeddings=tie_word_embeddings)
    upcycle(recipe_for(base, verify=False), tmp_path / "hybrid")
    random_use(load_hybrid(tmp_path / "hybrid").config.moe_config, "rust").save(tmp_path / "hybrid")
    dense = merged(tmp_path / "hybrid", tmp_path / "dense")
    expected, found = weights_in(base), weights_in(dense)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert type(load_dense(dense)) is type(AutoModelForCausalLM.from_pretrained(base))
    architectures = [json.loads((folder / "config.json").read_text())["architectures"] for folder in (base, dense)]
    assert architectures[0] == architectures[1]


def slow_merge(weights: dict[str, Tensor], layer: int, use: list[float], parts: list[str], down: str) -> dict:
    """The formula, expert by expert in float64; `parts` are the pieces of the first matrix from top to bottom."""
    prefix = f"model.layers.{layer}.mlp."
    up_name = "up_proj" if len(parts) == 1 and parts[0] == "c_fc" else "gate_up_proj"
    result = {}
    for kind, suffix in (("weight", ""), ("bias", "_bias")):
        if f"{prefix}shared_expert.{down}.{kind}" not in weights:
            continue
        rows = 0
        for part in parts:
            shared = weights[f"{prefix}shared_expert.{part}.{kind}"].double()
            total = use[-1] * shared
            for expert, weight in enumerate(use[:-1]):
                stacked = weights[f"{prefix}experts.{up_name}{suffix}"][expert].double()
                total = total + weight * stacked[rows : rows + len(shared)]
            result[f"{prefix}{part}.{kind}"] = total / sum(use)
            rows += len(shared)
        total = use[-1] * weights[f"{prefix}shared_expert.{down}.{kind}"].double()
        for expert, weight in enumerate(use[:-1]):
            total = total + weight * weights[f"{prefix}experts.down_proj{suffix}"][expert].double()
        result[f"{prefix}{down}.{kind}"] = total
    return result


@pytest.mark.parametrize(
    ("family", "fusion", "parts", "down"),
    [
        ("llama", "fixed", ["gate_proj", "up_proj"], "down_proj"),
        ("phi3", "normalized", ["gate_up_proj"], "down_proj"),
        ("starcoder2", "fixed", ["c_fc"], "c_proj"),
    ],
)
def test_each_matrix_is_the_weighted_mean_over_the_experts(tmp_path, family, parts, down, fusion):
    hybrid, moe = save_hybrid(tmp_path / "hybrid", family=family, fusion=fusion)
    (tmp_path / "dense").mkdir()
    report = merge_to_dense(hybrid, tmp_path / "dense")
    found, before = weights_in(tmp_path / "dense"), weights_in(hybrid)
    use = ExpertUse.load(hybrid)
    assert use is not None
    assert report["languages"] == ["rust", "go"]
    for layer in moe.layers:
        both = [use.languages[name][layer] for name in ("rust", "go")]
        mean = [(a + b) / 2 for a, b in zip(*both, strict=True)]
        assert report["layers"][layer] == pytest.approx(dict(zip(expert_names(moe), mean, strict=True)))
        reference = slow_merge(before, layer, mean, parts, down)
        assert len(reference) == (len(parts) + 1) * (1 if family == "phi3" else 2)
        for name, value in reference.items():
            torch.testing.assert_close(found[name].double(), value, rtol=0, atol=1e-6)
    untouched = [name for name in before if ".mlp." not in name or ".layers.0." in name]
    assert len(untouched) > 10
    assert all(torch.equal(before[name], found[name]) for name in untouched)


def test_the_languages_to_merge_for_alone_decide_how_much_of_each_expert_there_is(tmp_path):
    hybrid, _ = save_hybrid(tmp_path / "hybrid")
    use = ExpertUse.load(hybrid)
    assert use is not None
    ExpertUse({"rust": use.languages["rust"]}).save(hybrid)
    merged(hybrid, tmp_path / "alone")
    use.save(hybrid)
    (tmp_path / "dense").mkdir()
    report = merge_to_dense(hybrid, tmp_path / "dense", languages=["rust"])
    assert report["languages"] == ["rust"]
    alone, found = weights_in(tmp_path / "alone"), weights_in(tmp_path / "dense")
    assert all(torch.equal(value, found[name]) for name, value in alone.items())
    of_both = weights_in(merged(hybrid, tmp_path / "both"))
    assert any(not torch.equal(value, found[name]) for name, value in of_both.items())
    with pytest.raises(ConfigError, match="--merge-for: ruby not measured; measured: rust, go"):
        merge_to_dense(hybrid, tmp_path / "dense", languages=["rust", "ruby"])


def test_a_domain_gate_has_no_place_in_a_dense_model(tmp_path):
    dense = {}
    for name, moe in (("plain", {}), ("gated", {"languages": ["rust"]})):
        hybrid, _ = save_hybrid(tmp_path / name, **moe)
        dense[name] = weights_in(merged(hybrid, tmp_path / f"{name}-dense"))
    assert dense["plain"].keys() == dense["gated"].keys()
    assert all(torch.equal(value, dense["gated"][name]) for name, value in dense["plain"].items())


@pytest.mark.parametrize(
    ("family", "moe"),
    [
        *((family, {}) for family in FAMILIES),
        *((family, LOW_RANK | {"targets": "all"}) for family in ("gemma2", "phi3", "starcoder2")),
    ],
    ids=str,
)
@torch.no_grad()
def test_without_routers_the_dense_model_is_the_open_one(tmp_path, moe, family):
    model, tokens = tiny_hybrid("gated-single", family, **moe), random_tokens(2, 20)
    model.save_pretrained(tmp_path / "hybrid")
    dense = load_dense(merged(tmp_path / "hybrid", tmp_path / "dense"))
    expected = model(tokens, open_share=1.0).logits
    torch.testing.assert_close(dense(tokens).logits, expected, rtol=0, atol=1e-4)
    assert not torch.allclose(expected, model(tokens, open_share=0.0).logits, atol=1e-2)
    with pytest.raises(ConfigError, match="--merge-for: this model has one expert a layer"):
        merge_to_dense(tmp_path / "hybrid", tmp_path / "dense", languages=["rust"])


@pytest.mark.parametrize(
    ("family", "fusion"), [("llama", "normalized"), ("phi3", "fixed"), ("starcoder2", "normalized")]
)
def test_low_rank_experts_merge_as_the_full_ones_that_they_stand_for(tmp_path, family, fusion):
    lora, _ = save_hybrid(tmp_path / "lora", family=family, fusion=fusion, **LOW_RANK)
    full = tmp_path / "full"
    export_model(lora, full, ExportSettings(full_experts=True))
    expected, found = weights_in(merged(full, tmp_path / "a")), weights_in(merged(lora, tmp_path / "b"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)
    block = "model.layers.1.mlp."
    changed = [
        name
        for name, value in weights_in(lora).items()
        if f"{block}shared_expert." in name and not torch.equal(found[name.replace("shared_expert.", "")], value)
    ]
    assert any("weight" in name for name in changed)


def test_the_result_takes_the_wanted_dtype_where_that_can_hold_it(tmp_path):
    hybrid, _ = save_hybrid(tmp_path / "hybrid")
    exact, rounded = merged(hybrid, tmp_path / "a"), merged(hybrid, tmp_path / "b", dtype=torch.bfloat16)
    assert json.loads((rounded / "config.json").read_text())["dtype"] == "bfloat16"
    assert all(torch.equal(value.bfloat16(), weights_in(rounded)[name]) for name, value in weights_in(exact).items())
    assert load_dense(rounded).dtype == torch.bfloat16
    weights = weights_in(hybrid)
    weights["model.layers.1.mlp.shared_expert.down_proj.weight"].view(-1)[0] = 1e8
    save_file(weights, hybrid / "model.safetensors", {"format": "pt"})
    with pytest.raises(OutputError, match=r"dtype: float16 cannot hold model\.layers\.1\.mlp\.down_proj\.weight "):
        merged(hybrid, tmp_path / "dense", dtype=torch.float16)


def test_a_hybrid_whose_use_is_another_s_is_refused(tmp_path):
    hybrid, _ = save_hybrid(tmp_path / "hybrid")
    ExpertUse({"rust": {1: [1.0]}}).save(hybrid)
    with pytest.raises(BaseModelError, match=r"expert_use\.json does not fit config\.json"):
        merged(hybrid, tmp_path / "dense")


def test_copies_cost_nothing_and_other_experts_something(world, tmp_path):
    model = load_hybrid(world.hybrid)
    use = random_use(model.config.moe_config, "rust")
    for layer in model.hybrid_layers.values():
        dict(layer.experts.named_parameters())["gate_up_proj"].data *= 3
    for name in ("copies", "other"):
        use.save(shutil.copytree(world.hybrid, tmp_path / name))
    model.save_pretrained(tmp_path / "other")
    costs = {}
    for name in ("copies", "other"):
        dense = merged(tmp_path / name, tmp_path / f"{name}_dense")
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (dense / file).write_bytes((world.base / file).read_bytes())
        costs[name] = merge_cost(world.recipe, str(world.base), tmp_path / name, dense, world.corpus)
    copies, other = costs["copies"], costs["other"]
    rust = copies.from_hybrid.languages["rust"]
    assert rust.bpb_after == pytest.approx(rust.bpb_before, rel=1e-5)
    assert abs(copies.from_hybrid.means["learn"].change) < 1e-5
    assert abs(other.from_hybrid.languages["rust"].change) > 1e-3
    assert copies.from_base.languages["rust"].change == pytest.approx(0, abs=1e-5), "copies are the base"
    for cost in costs.values():
        assert (cost.from_base.sentence or "").startswith("Learnt") == cost.has_gain
        assert cost.from_base.languages["rust"].change < 0 or not cost.has_gain
    assert not copies.has_gain
