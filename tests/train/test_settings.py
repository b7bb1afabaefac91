"""The optimiser and the attention that a recipe names, and what they need."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from transformers.training_args import OptimizerNames

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.recipe.training import TrainSection
from multipl_moe.train import settings as train_settings
from multipl_moe.train.settings import attention_implementation, optimizer_name
from multipl_moe.train.trainer import train_model
from tests.conftest import tiny_hybrid
from tests.train.tiny import World, with_train


def test_optimisers_are_those_of_transformers():
    assert all(OptimizerNames(name) for name in train_settings._OPTIMIZERS.values())
    assert set(train_settings._OPTIMIZERS) == set(get_args(TrainSection.model_fields["optimizer"].annotation))


@pytest.mark.parametrize("optimizer", ["adamw_8bit", "paged_adamw_8bit"])
def test_an_optimiser_that_cannot_run_here_is_refused_before_anything_is_loaded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
):
    recipe = with_train(world.recipe, optimizer=optimizer)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"{optimizer} needs a CUDA GPU, and there is none here; use adamw"):
        train_model(recipe, tmp_path / "none", tmp_path / "none", tmp_path / "run")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(train_settings, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs bitsandbytes; pip install 'multipl-moe\[gpu\]', or use adamw"):
        optimizer_name(recipe)
    monkeypatch.setattr(train_settings, "find_spec", lambda name: object())
    assert "8bit" in optimizer_name(recipe)


def test_attention_is_one_that_the_base_has():
    auto, sdpa = (load_recipe(overrides={"train.attention": name}) for name in ("auto", "sdpa"))
    gemma, llama = tiny_hybrid(family="gemma2"), tiny_hybrid()
    assert attention_implementation(gemma, auto) == "eager"
    assert attention_implementation(llama, sdpa) == "sdpa"
    with pytest.raises(ConfigError, match=r"train\.attention: this base has no sdpa attention; use eager"):
        attention_implementation(gemma, sdpa)
