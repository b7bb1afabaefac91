"""What follows from a recipe: steps, precision, optimiser and attention, and what they need."""

import re
from pathlib import Path
from typing import get_args

import pytest
import torch
from transformers import AutoModelForCausalLM, modeling_utils
from transformers.modeling_flash_attention_utils import FLASH_ATTENTION_COMPATIBILITY_MATRIX
from transformers.models.llama.modeling_llama import LlamaPreTrainedModel
from transformers.training_args import OptimizerNames

from multipl_judge.extras import install_hint
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.recipe.training import TrainSection
from multipl_moe.train import setup as module
from multipl_moe.train.setup import OPTIMIZERS, TrainingSetup, require_optimizer
from multipl_moe.train.trainer import train_model
from tests.conftest import tiny_base_config, tiny_hybrid
from tests.train.tiny import World, with_train


def test_optimisers_are_those_of_transformers():
    assert all(OptimizerNames(name) for name in OPTIMIZERS.values())
    assert set(OPTIMIZERS) == set(get_args(TrainSection.model_fields["optimizer"].annotation))


@pytest.mark.parametrize("optimizer", ["adamw_8bit", "paged_adamw_8bit"])
def test_an_optimiser_that_cannot_run_here_is_refused_before_anything_is_loaded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
):
    recipe = with_train(world.recipe, optimizer=optimizer)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"{optimizer} needs a CUDA GPU, and there is none here; use adamw"):
        train_model(recipe, tmp_path / "none", tmp_path / "none", tmp_path / "run")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(f"needs bitsandbytes; {install_hint('gpu')}, or use adamw")):
        require_optimizer(optimizer)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    require_optimizer(optimizer)


def test_attention_is_one_that_the_base_has():
    auto, sdpa = (TrainingSetup.of(load_recipe(overrides={"train.attention": name})) for name in ("auto", "sdpa"))
    gemma, llama = tiny_hybrid(family="gemma2"), tiny_hybrid()
    auto.use_attention(gemma)
    sdpa.use_attention(llama)
    assert (gemma.config._attn_implementation, llama.config._attn_implementation) == ("eager", "sdpa")
    with pytest.raises(ConfigError, match=r"train\.attention: this base has no sdpa attention; use eager"):
        sdpa.use_attention(gemma)


@pytest.mark.parametrize("kind", ["hybrid", "dense"])
def test_an_attention_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, kind: str):
    model = tiny_hybrid() if kind == "hybrid" else AutoModelForCausalLM.from_config(tiny_base_config())
    flash, flex = (
        TrainingSetup.of(load_recipe(overrides={"train.attention": name}))
        for name in ("flash_attention_2", "flex_attention")
    )
    monkeypatch.setitem(FLASH_ATTENTION_COMPATIBILITY_MATRIX[2], "general_availability_check", lambda: False)
    monkeypatch.setitem(FLASH_ATTENTION_COMPATIBILITY_MATRIX[2], "pkg_availability_check", lambda: False)
    monkeypatch.setattr(modeling_utils, "is_kernels_available", lambda: False)  # which would ask the hub
    with pytest.raises(ConfigError, match=r"^train\.attention: flash_attention_2 .* here \(.*package.*\); use auto$"):
        flash.use_attention(model)
    monkeypatch.setattr(LlamaPreTrainedModel, "_supports_flex_attn", False)
    with pytest.raises(ConfigError, match=r"^train\.attention: flex_attention cannot .* here \([^.]*\); use auto$"):
        flex.use_attention(model)


@pytest.mark.parametrize(
    ("tokens", "steps"), [(1, 1), (128, 1), (191, 1), (193, 2), (1280, 10), (1343, 10), (1345, 11)]
)
def test_steps_are_the_nearest_whole_number_and_at_least_one(world: World, tokens: int, steps: int):
    setup = TrainingSetup.of(with_train(world.recipe, tokens=tokens))
    assert (setup.tokens_per_step, setup.steps, setup.num_sequences) == (128, steps, 4 * steps)


@pytest.mark.parametrize(
    ("share", "steps", "warmup"),
    [(0.05, 1, 0), (0.05, 2, 1), (0.05, 9, 1), (0.05, 30, 2), (0.05, 98, 5), (0.9, 2, 1), (0.0, 98, 0)],
)
def test_warm_up_rounds_to_nothing_only_where_there_is_one_step(world: World, share: float, steps: int, warmup: int):
    recipe = with_train(world.recipe, warmup_share=share, tokens=steps * 4 * 32)
    assert TrainingSetup.of(recipe).warmup_steps == warmup


@pytest.mark.parametrize(
    ("has_gpu", "gpu_has_it", "cpu_has_it", "dtype"),
    [
        (True, True, False, torch.bfloat16),
        (True, False, True, torch.float32),
        (False, False, True, torch.bfloat16),
        (False, False, False, torch.float32),
    ],
)
def test_auto_is_bfloat16_only_where_the_hardware_has_it(world, monkeypatch, has_gpu, gpu_has_it, cpu_has_it, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: gpu_has_it)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu_has_it})
    assert TrainingSetup.of(with_train(world.recipe, compute_dtype="auto")).dtype == dtype
