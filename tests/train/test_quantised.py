"""A base in 4 bits in training: it computes as the weights that the codes stand for, and no weight of it is written."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import TrainerCallback

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.checkpoints.loading import load_config, load_hybrid
from multipl_moe.checkpoints.tensors import copy_companions
from multipl_moe.errors import ConfigError
from multipl_moe.model.parameters import trained_names
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.train.machine import measure_throughput
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.plan import plan_training, remedies, starting_config
from multipl_moe.train.quantised import QuantisedLinear, quantise_frozen
from multipl_moe.train.trainer import train_model
from tests.conftest import random_tokens, randomise, tiny_base_config, tiny_dense, tiny_moe
from tests.distributed import run_processes
from tests.train.conftest import Interrupt, Watcher, changed
from tests.train.tiny import World, assert_close, gated_hybrid, tensors, tiny_recipe, with_train

CPU = torch.device("cpu")
_FORMS: dict[str, dict[str, Any]] = {"full": {}, "all": {"type": "lora", "rank": 4, "alpha": 4.0, "targets": "all"}}
_WIDE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128}
_OF_SCALES = 0.02  # scales are rounded, too
_WIDEST_STEP = (1 - 0.6961928) / 2  # of NF4's sixteen values, half of the largest gap


@pytest.fixture(scope="module")
def world(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The tiny world with a base whose rows are whole blocks of 64 weights, as those of real ones are."""
    folder = tmp_path_factory.mktemp("wide")
    wide = tiny_dense(**_WIDE, vocab_size=load_config(world.base).vocab_size, bos_token_id=0, eos_token_id=0)
    wide.to(torch.bfloat16).save_pretrained(folder)
    copy_companions(world.base, folder)
    return replace(world, base=folder)


@pytest.fixture(scope="module")
def hybrid_of(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Recipe, Path]]:
    """The recipe, with settings for its training, and the folder of a form, made when first asked for."""
    folder = tmp_path_factory.mktemp("hybrids")

    @cache
    def made(form: str) -> Recipe:
        return gated_hybrid(world, folder / form, _FORMS[form])

    def hybrid(form: str = "all", **train: Any) -> tuple[Recipe, Path]:
        return made(form).with_settings("train", quantise="nf4", **train), folder / form

    return hybrid


def _quantised(model: nn.Module) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, QuantisedLinear)]


class _Dtypes(TrainerCallback):
    """In which the quantised matrices of a run compute."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.found = {layer.dtype for layer in _quantised(kwargs["model"])}


@given(rows=st.integers(1, 9), blocks=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_a_weight_is_off_by_half_a_step_of_its_block_at_most(rows: int, blocks: int, seed: int):
    linear = nn.Linear(64 * blocks, rows)
    randomise(linear, seed)
    layer = QuantisedLinear(linear, torch.float32, CPU)
    found = layer(torch.eye(64 * blocks)).T - linear.bias[:, None]
    off = (found - linear.weight).detach().abs().reshape(-1, 64)
    largest = linear.weight.detach().view(-1, 64).abs().amax(dim=1, keepdim=True)
    assert bool((off <= _WIDEST_STEP * largest + _OF_SCALES * largest.max()).all())
    assert bool((off > 0).any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["llama", "qwen2"])  # the second has biases
@pytest.mark.parametrize("form", ["all", "full"])
def test_value_and_each_gradient_are_those_of_the_weights_that_the_codes_stand_for(form, family, dtype):
    moe = tiny_moe("single", **_FORMS[form])
    base = tiny_base_config(family, **_WIDE)
    hybrid: Any = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=base, moe=moe.to_dict()))
    randomise(hybrid, 1)
    learns = trained_names(hybrid)
    for name, parameter in hybrid.named_parameters():
        parameter.requires_grad_(name in learns)
    reference, frozen = copy.deepcopy(hybrid), dict(hybrid.named_parameters())
    quantise_frozen(hybrid, dtype)
    layers = {name: part for name, part in hybrid.named_modules() if isinstance(part, QuantisedLinear)}
    assert len(layers) == sum(name.endswith("_proj.weight") and name not in learns for name in frozen)
    for name, layer in layers.items():
        plain: Any = reference.get_submodule(name)
        plain.weight.data = dequantize_4bit(layer.weight, layer._scales)
        assert not torch.equal(plain.weight, frozen[f"{name}.weight"])
    ids = random_tokens(3, 17)
    results = []
    for model in (hybrid.train(), reference.train()):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        results.append((loss, {name: p.grad for name, p in model.named_parameters() if p.requires_grad}))
    (found, gradients), (expected, expected_gradients) = results
    assert torch.equal(found, expected)
    assert gradients.keys() == expected_gradients.keys() == learns
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("form", "compute_dtype"), [("all", "bfloat16"), ("full", "float32")])
def test_the_pack_alone_moves_the_stored_base_is_written_and_a_stopped_run_goes_on_to_the_bit(
    world: World, hybrid_of, tmp_path: Path, form: str, compute_dtype: str
):
    recipe, hybrid = hybrid_of(form, compute_dtype=compute_dtype, eval_every_steps=5, eval_tokens=256)
    watcher, dtypes = Watcher(), _Dtypes()
    result = train_model(recipe, hybrid, world.corpus, tmp_path / "run", callbacks=[watcher, dtypes])
    assert dtypes.found == {getattr(torch, compute_dtype)}
    assert result.quantise == "nf4"
    assert watcher.losses[-1] < watcher.losses[0] - 0.1
    before, after = tensors(hybrid), tensors(result.model_folder)
    assert {name: value.dtype for name, value in before.items()} == {name: value.dtype for name, value in after.items()}
    assert changed(hybrid, result.model_folder) == watcher.optimised
    if form == "all":
        with pytest.raises(KeyboardInterrupt):
            train_model(recipe, hybrid, world.corpus, tmp_path / "stopped", callbacks=[Interrupt(7)])
        again = train_model(recipe, hybrid, world.corpus, tmp_path / "stopped")
        assert changed(result.model_folder, again.model_folder) == set()
    else:
        plain = train_model(recipe.with_settings("train", quantise=None), hybrid, world.corpus, tmp_path / "plain")
        assert result.frozen_sha256 == plain.frozen_sha256
        assert changed(plain.model_folder, result.model_folder) == watcher.optimised, "codes are another base"


def _hash_of_frozen(recipe: Recipe, hybrid: Path, world: World, output: Path) -> str:
    return train_model(recipe, hybrid, world.corpus, output).frozen_sha256


@pytest.mark.extended
def test_two_processes_train_as_one_at_the_same_global_batch(world: World, hybrid_of, tmp_path: Path):
    recipe, hybrid = hybrid_of(learning_rate=2e-3)
    one = train_model(recipe, hybrid, world.corpus, tmp_path / "one")
    hashes = run_processes(_hash_of_frozen, with_train(recipe, batch_sequences=2), hybrid, world, tmp_path / "two")
    assert hashes == [one.frozen_sha256] * 2
    assert_close(tmp_path / "two" / "model", one.model_folder, atol=1e-4)


@pytest.mark.parametrize("form", _FORMS)
def test_the_plan_has_the_bytes_that_are_there(world: World, hybrid_of, form: str):
    recipe, hybrid = hybrid_of(form, compute_dtype="bfloat16")
    config = starting_config(recipe, hybrid)
    planned = plan_training(recipe, config, runtime_bytes=0).memory
    model = load_for_training(recipe.train, hybrid)
    prepare(model, recipe)
    quantise_frozen(model, torch.bfloat16)
    held = sum(parameter.nbytes for parameter in model.parameters() if not parameter.requires_grad)
    for layer in _quantised(model):
        held += layer._scales.absmax.nbytes + layer._scales.state2.absmax.nbytes
    assert (planned.frozen_bytes, planned.mapped_bytes) == (held, 0)
    tried = load_hybrid(hybrid)
    assert measure_throughput(recipe, tried, world.corpus) > 0
    assert len(_quantised(tried)) == len(_quantised(model)) > 0


def test_a_matrix_whose_rows_are_no_whole_blocks_stays_as_it_is():
    model = tiny_dense(hidden_size=64, intermediate_size=96)
    model.requires_grad_(False)
    quantise_frozen(model, torch.float32)
    block = model.model.layers[0].mlp
    assert isinstance(block.gate_proj, QuantisedLinear)
    assert isinstance(block.down_proj, nn.Linear)


def test_it_is_a_remedy_where_it_can_be_had(world: World, monkeypatch: pytest.MonkeyPatch):
    single = tiny_recipe(world.base, world.sources, moe={"preset": "single", "languages": None} | _FORMS["all"])
    remedy = {"train.quantise": "nf4"}
    assert remedy in remedies(single, starting_config(single), has_model=False)
    sharded = with_train(single, distribution="fsdp2")
    assert remedy not in remedies(sharded, starting_config(sharded), has_model=False)
    assert remedy not in remedies(world.recipe, starting_config(world.recipe), has_model=False)
    monkeypatch.setattr("multipl_moe.train.quantised.find_spec", lambda name: None)
    assert remedy not in remedies(single, starting_config(single), has_model=False)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"method": "lora"}, "quantise: goes with method experts, and not with lora"),
        ({"distribution": "fsdp2"}, "quantise: does not go with distribution fsdp2; use ddp"),
    ],
    ids=str,
)
def test_what_it_does_not_go_with_is_told_with_the_recipe(tmp_path: Path, settings: dict[str, str], told: str):
    (tmp_path / "recipe.yaml").write_text("learn: [rust]\n")
    keys = {f"train.{key}": value for key, value in settings.items()}
    with pytest.raises(ConfigError, match=told):
        load_recipe(tmp_path / "recipe.yaml", {"train.quantise": "nf4", **keys})


def test_experts_that_routers_choose_are_refused_before_anything_is_written(world: World, tmp_path: Path):
    recipe = world.recipe.with_settings("train", quantise="nf4")
    with pytest.raises(ConfigError, match="goes with one expert a layer behind a gate alone"):
        train_model(recipe, world.hybrid, world.corpus, tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.yaml").exists()
    with pytest.raises(ConfigError, match="goes with one expert a layer behind a gate alone"):
        plan_training(recipe, starting_config(recipe, world.hybrid), runtime_bytes=0)


def test_a_missing_library_is_told_with_its_command(world: World, hybrid_of, tmp_path: Path, monkeypatch):
    recipe, hybrid = hybrid_of()
    monkeypatch.setattr("multipl_moe.train.quantised.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"nf4 needs bitsandbytes; .*\[gpu\]"):
        train_model(recipe, hybrid, world.corpus, tmp_path / "run")
