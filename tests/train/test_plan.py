"""Plans against models that are built: counts, work and memory, exactly where routing decides nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.methods import METHODS, load_for_training, prepare
from multipl_moe.train.plan import TrainingPlan, plan_training, remedies, starting_config
from tests.conftest import tiny_base_config
from tests.train.conftest import RUNTIME_BYTES, plan_of
from tests.train.tiny import World, tensors, tiny_recipe, with_train

_HIDDEN, _INTERMEDIATE = 32, 48


def _start(world: World, method: str) -> Path:
    return world.hybrid if method == "experts" else world.base


@pytest.mark.parametrize("method", METHODS)
def test_counts_and_bytes_are_those_of_the_loaded_model(world: World, method: str):
    recipe = with_train(world.recipe, method=method)
    plan = plan_of(recipe, _start(world, method))
    assert plan == plan_of(recipe), "of what upcycle makes"
    model = load_for_training(recipe.train, _start(world, method))
    audit = prepare(model, recipe)
    assert plan.parameters.trained == audit.num_trained
    assert plan.parameters.total == audit.num_trained + audit.frozen
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    assert plan.memory.frozen_bytes == sum(p.numel() * p.element_size() for p in frozen)
    assert plan.memory.master_bytes == 4 * audit.num_trained
    assert plan.memory.gradient_bytes == 4 * audit.num_trained
    assert plan.memory.optimizer_bytes == 8 * audit.num_trained
    stored = tensors(_start(world, method))
    on_disk = sum(t.numel() * t.element_size() for name, t in stored.items() if not name.endswith(FLOAT32_BUFFERS))
    assert plan.checkpoint_bytes == on_disk
    assert plan.steps == 12


@pytest.mark.parametrize("layers", ["all", "last:2"], ids=["read by a hybrid layer", "read below"])
def test_a_run_behind_a_domain_gate_is_planned_as_that_without_one(world: World, layers: str):
    moe = {"layers": layers, "preset": "single"}
    recipes = [tiny_recipe(world.base, world.sources, moe=moe | {"languages": gate}) for gate in (None, [])]
    gated, plain = (plan_of(one) for one in recipes)
    assert gated.memory == plain.memory
    assert gated.parameters == plain.parameters
    assert gated.calibration_tokens == 0, "nothing is stored that would be calibrated"


def test_active_parameters_leave_out_experts_that_a_token_does_not_visit(plan_of_world: TrainingPlan):
    counts = plan_of_world.parameters
    expert = 3 * _HIDDEN * _INTERMEDIATE + 2 * _INTERMEDIATE + _HIDDEN
    assert counts.total - counts.active == 2 * (3 + 3 - 2) * expert


def test_the_parts_of_memory_add_up(plan_of_world: TrainingPlan):
    memory = plan_of_world.memory
    parts = vars(memory)
    assert parts["runtime_bytes"] == RUNTIME_BYTES + 128 * 2**19
    assert len(parts) == 8
    assert all(value >= 0 for value in parts.values())
    assert memory.total_bytes == sum(parts.values())
    others = memory.total_bytes - memory.fragmentation_bytes
    assert memory.fragmentation_bytes == round(0.07 * others)


@pytest.mark.parametrize(("compute", "trained_bytes"), [("bfloat16", 2), ("float32", 0)])
def test_trained_weights_of_a_bfloat16_checkpoint_stay_mapped_where_frozen_ones_need_it(world, compute, trained_bytes):
    recipe = tiny_recipe(world.base, world.sources, upcycle={"dtype": "bfloat16"}, train={"compute_dtype": compute})
    plan = plan_of(recipe)
    assert plan.memory.mapped_bytes == trained_bytes * plan.parameters.trained
    assert plan.checkpoint_bytes == 2 * plan.parameters.total


@pytest.mark.parametrize(("family", "dtype"), [("gemma3_text", "float32"), ("starcoder2", "bfloat16")])
def test_other_families_and_precisions_can_be_planned(world: World, tmp_path: Path, family: str, dtype: str):
    tiny_base_config(family).save_pretrained(tmp_path)
    recipe = with_train(world.recipe, compute_dtype=dtype).model_copy(update={"base": str(tmp_path)})
    plan = plan_of(recipe)
    assert plan.memory.activation_bytes > 0


def test_time_is_work_over_speed(plan_of_world: TrainingPlan):
    plan, speed = plan_of_world, MachineSpeed(flops_per_s=300, bytes_per_s=20)
    moved_bytes = plan.step.moved_bytes + 4 * 10 * plan.parameters.trained
    assert plan.step_seconds(speed) == plan.step.flops / 300 + moved_bytes / 20
    assert plan.seconds(speed) == 12 * plan.step_seconds(speed)


def test_all_that_is_read_is_in_the_whole_time(world: World):
    recipe = with_train(world.recipe, calibration_tokens=640, eval_every_steps=5, eval_tokens=96)
    recipe = recipe.with_settings("eval", files_per_language=3, tokens_per_file=10, moved_share=0.5)
    plan, speed = plan_of(recipe, world.hybrid), MachineSpeed(flops_per_s=1e9, bytes_per_s=1e9)
    assert plan.calibration_tokens == 640
    assert (plan.steps, plan.held_out_tokens) == (12, 3 * 96)  # after 5, 10 and 12 steps
    assert plan.scored_tokens == 2 * round(30 * (len(recipe.languages) + 0.5 * len(recipe.keep)))
    num_read = plan.calibration_tokens + plan.held_out_tokens + plan.scored_tokens
    rest = plan.total_seconds(speed) - plan.seconds(speed)
    assert rest == pytest.approx(plan.forward_seconds(num_read, speed))
    assert 0 < plan.forward_seconds(recipe.train.tokens, speed) < plan.seconds(speed)
    without = plan_of(with_train(recipe, method="dense", eval_every_steps=None), world.base)
    assert without.calibration_tokens == without.held_out_tokens == 0


@given(tokens=st.integers(1, 10**6), every=st.none() | st.integers(1, 50))
@settings(max_examples=3)
def test_a_plan_of_another_length_is_that_of_the_recipe(world, plan_of_world, tokens, every):
    other = with_train(world.recipe, tokens=tokens, eval_every_steps=every, learning_rate=0.5)
    assert plan_of_world.with_length(other) == plan_of(other, world.hybrid)


@pytest.mark.parametrize("method", METHODS)
def test_remedies_are_those_that_the_method_has(world: World, method: str):
    recipe = with_train(world.recipe, method=method)
    changes = remedies(recipe, starting_config(recipe), has_model=False)
    assert {"train.gradient_checkpointing": True} in changes
    assert ({"train.method": "lora"} in changes) == (method == "dense")
    assert ({"moe.experts.layers": "last:1"} in changes) == (method in ("experts", "dense-ffn"))
    assert ({"moe.experts.type": "lora"} in changes) == (method == "experts")


def test_of_one_sequence_a_step_shorter_ones_are_a_remedy_and_of_several_fewer(world: World):
    for rows, length, wanted in ((1, 512, {"sequence_tokens": 256}), (1, 64, None), (4, 512, {"batch_sequences": 2})):
        recipe = with_train(world.recipe, batch_sequences=rows, sequence_tokens=length)
        found = [change for change in remedies(recipe, starting_config(recipe), has_model=True) if len(change) < 3]
        keys = ("train.sequence_tokens", "train.batch_sequences")
        sizes = {key: value for change in found for key, value in change.items() if key in keys}
        assert sizes == {f"train.{key}": value for key, value in (wanted or {}).items()}


@pytest.mark.parametrize("method", ["experts", "dense"])
def test_each_remedy_makes_the_run_smaller(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str):
    monkeypatch.setattr("multipl_moe.train.plan.fast_dtype", lambda: torch.bfloat16)
    recipe = with_train(world.recipe, method=method)
    (tmp_path / "run.yaml").write_text(recipe.to_yaml())
    config = starting_config(recipe)
    before = plan_training(recipe, config, runtime_bytes=0)
    for change in remedies(recipe, config, has_model=False):
        changed = load_recipe(tmp_path / "run.yaml", change)
        after = plan_training(changed, starting_config(changed), runtime_bytes=0)
        if "train.compute_dtype" not in change and "train.gradient_checkpointing" not in change:
            assert after.memory.total_bytes < before.memory.total_bytes, change


@pytest.mark.parametrize("sections", [{"upcycle": {"noise": 0.1}}, {"moe": {"type": "lora"}}], ids=str)
def test_low_rank_experts_are_a_remedy_only_where_the_recipe_allows_them(world, tmp_path, sections: dict[str, Any]):
    recipe = tiny_recipe(world.base, world.sources, **sections)
    (tmp_path / "run.yaml").write_text(recipe.to_yaml())
    changes = remedies(recipe, starting_config(recipe), has_model=False)
    assert changes
    assert {"moe.experts.type": "lora"} not in changes
    for change in changes:
        load_recipe(tmp_path / "run.yaml", change)


def test_of_a_hub_id_the_configuration_alone_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch):
    def fetch(name: str, allow_patterns: list[str]) -> str:
        assert (name, allow_patterns) == ("owner/name", ["config.json"])
        return str(world.base)

    monkeypatch.setattr("multipl_moe.checkpoints.base.snapshot_download", fetch)
    of_hub = starting_config(world.recipe.model_copy(update={"base": "owner/name"}))
    assert of_hub.to_dict() == starting_config(world.recipe).to_dict()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("smollm2-135m", 134_515_008),
        ("gemma-3-270m", 268_098_176),
        ("qwen2.5-coder-0.5b-instruct", 494_032_768),
        ("qwen2.5-coder-1.5b-instruct", 1_543_714_304),
    ],
)
def test_a_base_by_name_is_planned_without_it(name, parameters, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path))
    recipe = load_recipe(None, {"base": name})
    found = plan_training(recipe, starting_config(recipe), runtime_bytes=0).parameters
    assert found.total - found.trained == parameters
    assert not [*tmp_path.iterdir()]


def test_bfloat16_is_a_remedy_only_where_it_is_fast(world: World, monkeypatch: pytest.MonkeyPatch):
    for fast in (torch.float32, torch.bfloat16):
        monkeypatch.setattr("multipl_moe.train.plan.fast_dtype", lambda fast=fast: fast)
        changes = remedies(world.recipe, starting_config(world.recipe), has_model=True)
        assert ({"train.compute_dtype": "bfloat16"} in changes) == (fast == torch.bfloat16)
