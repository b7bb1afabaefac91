"""`upcycle`: where a conversion starts, what it counts, what it refuses, and that a failure leaves nothing."""

import json
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from multipl_moe import MultiplMoeForCausalLM
from multipl_moe.errors import BaseModelError, OutputError
from multipl_moe.model.families import FAMILIES
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.staging import shutil as staging_shutil
from multipl_moe.upcycle.convert import Verification, upcycle
from multipl_moe.upcycle.plan import UpcyclePlan
from tests.conftest import random_tokens, tiny_hybrid
from tests.fixtures import save_tokenizer
from tests.train.tiny import tensors as weights

from .conftest import names_in, recipe_for, save_base

NEW_PARTS = ("experts.", "token_", "segment_")


def difference(base, hybrid, tokens: torch.Tensor) -> float:
    """Largest difference of a logit, by plain transformers calls."""
    logits = []
    for folder in (base, hybrid):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            logits.append(model(input_ids=tokens, use_cache=False).logits)
    assert logits[0].abs().max() > 0.1
    return (logits[0] - logits[1]).abs().max().item()


def verified(recipe: Recipe, out: Path) -> Verification:
    """How a conversion compares with its base."""
    verification = upcycle(recipe, out).verification
    assert verification is not None
    return verification


@pytest.mark.parametrize(
    ("family", "preset", "experts", "tied"),
    [
        *((family, "causal", "full", False) for family in FAMILIES),
        *((family, "causal", "lora", False) for family in ("phi3", "starcoder2")),
        ("llama", "causal", "full", True),
        ("llama", "token-only", "full", False),
        ("llama", "single", "full", False),
    ],
)
def test_a_conversion_of_every_family_and_normalised_preset_starts_at_the_base(tmp_path, family, preset, experts, tied):
    base = save_base(tmp_path / "base", family, tie_word_embeddings=tied)
    verification = verified(recipe_for(base, preset, experts={"type": experts}), tmp_path / "out")
    assert verification.must_be_exact
    assert verification.max_difference <= 1e-3
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert isinstance(model, MultiplMoeForCausalLM)
    assert list(model.hybrid_layers) == ([] if preset == "single" else [1, 2])
    assert difference(base, tmp_path / "out", random_tokens(2, 50, seed=9)) <= 1e-3


def test_a_paper_conversion_reports_the_true_difference(tmp_path):
    base = save_base(tmp_path / "base", "granite")
    verification = verified(recipe_for(base, "paper", seed=5), tmp_path / "out")
    assert not verification.must_be_exact
    assert verification.passed
    probe = torch.randint(61, (2, 20), generator=torch.Generator().manual_seed(5))  # 2.5 windows of 8 tokens
    assert verification.max_difference == pytest.approx(difference(base, tmp_path / "out", probe), rel=1e-3)
    assert verification.max_difference > 0.01


@pytest.mark.parametrize(
    ("difference", "must_be_exact", "passed"),
    [(0.0, True, True), (1e-3, True, True), (1.1e-3, True, False), (float("nan"), True, False), (5.0, False, True)],
)
def test_only_a_broken_promise_fails(difference, must_be_exact, passed):
    assert Verification(difference, must_be_exact).passed is passed


def test_low_rank_experts_start_at_the_base_with_factors_of_their_own(tmp_path, base):
    recipe = recipe_for(base, "token-only", experts={"type": "lora"})
    upcycle(recipe, tmp_path / "out")
    assert difference(base, tmp_path / "out", random_tokens(2, 50, seed=9)) <= 1e-3
    found = weights(tmp_path / "out")
    for layer in (1, 2):
        for name in ("gate_up_proj", "down_proj"):
            a, b = (found[f"model.layers.{layer}.mlp.experts.{name}_{factor}"] for factor in "ab")
            assert not b.any()
            assert len({tuple(expert.flatten().tolist()) for expert in a}) == len(a)
            assert a.std().item() == pytest.approx(a.shape[-1] ** -0.5, rel=0.15)
    down_a = "model.layers.{}.mlp.experts.down_proj_a"
    assert not torch.equal(found[down_a.format(1)], found[down_a.format(2)])


@pytest.mark.parametrize(
    ("preset", "expert_type"), [("causal", "full"), ("causal", "lora"), ("token-only", "full"), ("single", "full")]
)
def test_parameters_are_counted_as_in_the_model_and_unverified_nothing_else_is_claimed(tmp_path, preset, expert_type):
    base = save_base(tmp_path / "base", tie_word_embeddings=preset == "causal")
    report = upcycle(recipe_for(base, preset, experts={"type": expert_type}, verify=False), tmp_path / "out")
    assert report.verification is None
    assert json.loads((tmp_path / "out" / "upcycle.json").read_text())["verification"] is None
    counts = report.parameters
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    total = trained = idle = 0
    for name, parameter in model.named_parameters():
        total += parameter.numel()
        if any(f".mlp.{part}" in name for part in NEW_PARTS):
            trained += parameter.numel()
        if ".mlp.experts." in name and preset != "single":
            # Of 3 routed experts a token visits one, of 3 segment experts one on the mean (capacity 1).
            visited = 1 if preset == "token-only" else 2
            idle += parameter[0].numel() * (len(parameter) - visited)
        if preset == "single" and ".mlp.shared_expert." in name:
            idle += parameter.numel()
    assert (counts.total, counts.trained, counts.active) == (total, trained, total - idle)


@pytest.mark.parametrize("family", ["llama", "phi3", "starcoder2"])
def test_every_tensor_of_the_base_is_there_bit_for_bit(tmp_path, family):
    base = save_base(tmp_path / "base", family)
    upcycle(recipe_for(base, noise=0.1, verify=False), tmp_path / "out")
    before, after = weights(base), weights(tmp_path / "out")
    renamed = {re.sub(r"(layers\.[12]\.mlp\.)", r"\1shared_expert.", name): value for name, value in before.items()}
    for name, value in renamed.items():
        assert after[name].dtype == value.dtype
        assert torch.equal(after[name], value), name
    new = set(after) - set(renamed)
    assert new
    assert all(name.split(".mlp.")[1].startswith(NEW_PARTS) for name in new)


def test_noise_sets_every_expert_apart(tmp_path, base):
    verification = verified(recipe_for(base, noise=0.1), tmp_path / "out")
    assert not verification.must_be_exact
    assert verification.max_difference > 1e-3
    block = "model.layers.1.mlp"
    found = weights(tmp_path / "out")
    for name, parts in (("gate_up_proj", ("gate", "up")), ("down_proj", ("down",))):
        plain = torch.cat([found[f"{block}.shared_expert.{part}_proj.weight"] for part in parts])
        experts = [plain, *found[f"{block}.experts.{name}"]]
        assert all(not torch.equal(experts[i], experts[j]) for i in range(len(experts)) for j in range(i)), name


@pytest.mark.parametrize(("expert_type", "noise"), [("full", 0.1), ("lora", 0.0)])
def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path, base, expert_type, noise):
    files, experts = [], {"type": expert_type}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        upcycle(recipe_for(base, seed=seed, noise=noise, experts=experts, verify=False), tmp_path / name)
        files.append((tmp_path / name / "model.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize(("of_base", "asked"), [("float32", "bfloat16"), ("bfloat16", "auto")])
def test_a_checkpoint_in_another_dtype_is_verified_against_the_rounded_base(tmp_path, of_base, asked):
    base = save_base(tmp_path / "base", dtype=of_base)
    assert weights(base)["lm_head.weight"].dtype == getattr(torch, of_base)
    assert verified(recipe_for(base, dtype=asked), tmp_path / "out").max_difference <= 1e-3
    found = weights(tmp_path / "out")
    assert found.pop("model.layers.1.mlp.segment_threshold").dtype == torch.float32
    assert found["model.layers.1.mlp.experts.down_proj"].dtype == torch.bfloat16
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto").dtype == torch.bfloat16


def test_the_tokenizer_and_other_companions_go_along_and_weights_do_not(tmp_path, base):
    save_tokenizer(base)
    for name in ("LICENSE", "chat_template.jinja", "pytorch_model.bin"):
        (base / name).write_text(name)
    upcycle(recipe_for(base), tmp_path / "out")
    out = tmp_path / "out"
    for name in ("LICENSE", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()
    assert not (out / "pytorch_model.bin").exists()
    assert PreTrainedTokenizerFast.from_pretrained(out).eos_token == "<|endoftext|>"


def test_what_was_done_is_recorded_beside_the_weights(tmp_path, base):
    recipe = recipe_for(base, "paper", seed=4, noise=0.01)
    report = upcycle(recipe, tmp_path / "out")
    assert load_recipe(tmp_path / "out" / "recipe.yaml") == recipe
    record = json.loads((tmp_path / "out" / "upcycle.json").read_text())
    assert report.verification is not None
    assert record == {
        "base": str(base),
        "base_hub_id": None,
        "base_licence": "unknown",
        "noise": 0.01,
        "other_text": [],
        "parameters": asdict(report.parameters),
        "verification": {"max_difference": report.verification.max_difference, "must_be_exact": False},
        "router_start": None,
        "gate_start": None,
    }
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "multipl_moe"
    assert config["architectures"] == ["MultiplMoeForCausalLM"]
    assert config["text_config"]["model_type"] == "llama"
    assert (config["moe"]["preset"], config["moe"]["experts"]["layers"]) == ("paper", [1, 2])


def test_progress_counts_every_byte_of_the_weights(tmp_path, base):
    steps: list[tuple[int, int]] = []
    upcycle(recipe_for(base, verify=False), tmp_path / "out", lambda done, total: steps.append((done, total)))
    total = sum(value.numel() * value.element_size() for value in weights(tmp_path / "out").values())
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (total, total)
    assert {of for _, of in steps} == {total}


def test_a_disk_that_is_too_small_is_found_before_anything_is_written(tmp_path, base, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(staging_shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10_000_000))
    with pytest.raises(OutputError, match=r"out needs 65 MB but its disk has 10 MB free"):
        upcycle(recipe_for(base), tmp_path / "out")
    assert names_in(tmp_path) == ["base"]


def quantised(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))


def with_unknown_tensor(base: Path) -> None:
    save_file(weights(base) | {"model.layers.1.mlp.gate.weight": torch.zeros(1)}, base / "model.safetensors")


_BASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "quantised": (quantised, r"base is quantised \(fp8\); give the unquantised checkpoint"),
    "double": (
        lambda base: save_base(base, dtype="float64"),
        r"dtype torch\.float64; convert it to one of float32, bfloat16, float16",
    ),
    "nowhere": (shutil.rmtree, "base model: "),
    "a hybrid": (lambda base: tiny_hybrid().save_pretrained(base), "base: .* already a mixture of experts"),
    "an unknown tensor": (with_unknown_tensor, r"unexpected: .*layers\.1\.mlp\.gate\.weight"),
}


@pytest.mark.parametrize("kind", _BASES)
def test_a_base_that_cannot_be_converted_is_named_and_leaves_nothing(tmp_path, base, kind):
    make, message = _BASES[kind]
    make(base)
    with pytest.raises(BaseModelError, match=message):
        upcycle(recipe_for(base), tmp_path / "out")
    assert set(names_in(tmp_path)) <= {"base"}


def test_a_wrong_conversion_is_caught_and_leaves_nothing(tmp_path, base, monkeypatch):
    right = UpcyclePlan._started

    def wrong(self, layer, tensor):
        for number, value in enumerate(right(self, layer, tensor)):
            yield value.flip(0) if number == 0 and layer == 2 and "up_proj" in tensor.name else value

    monkeypatch.setattr(UpcyclePlan, "_started", wrong)
    with pytest.raises(BaseModelError, match="logits differ from the base's by"):
        upcycle(recipe_for(base), tmp_path / "out")
    assert names_in(tmp_path) == ["base"]
