"""What is told before a run: its time, and memory where it lacks some."""

import pytest

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.system.minute_lines import minutes_of
from multipl_moe.train import memory_note as module
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.memory_note import run_notes
from multipl_moe.train.plan import plan_training
from tests.train.tiny import World, tiny_recipe, with_train


def _set_machine(monkeypatch: pytest.MonkeyPatch, per_s: float) -> MachineSpeed:
    """Much memory, and so many operations and bytes a second."""
    speed = MachineSpeed(flops_per_s=per_s, bytes_per_s=per_s)
    monkeypatch.setattr(module, "usable_bytes", lambda: 10**15)
    monkeypatch.setattr(module, "speed_of", lambda recipe, config: lambda dtype: speed)
    return speed


def test_a_run_that_fits_has_no_note_and_one_that_does_not_has_its_size_and_what_helps(world: World, monkeypatch):
    recipe, slow = tiny_recipe(world.base, world.sources, moe={"preset": "single"}), _set_machine(monkeypatch, 1e5)
    plan = plan_training(recipe, load_config(world.hybrid), runtime_bytes=0)
    took = f"12 steps of 128 tokens: about {minutes_of(plan.training_seconds(slow))} here"
    assert run_notes(recipe, world.hybrid) == (took, None)
    assert plan.training_seconds(slow) > 12 * plan.step_seconds(slow) > 600
    monkeypatch.setattr(module, "usable_bytes", lambda: 2**20)
    _, told = run_notes(recipe)
    assert told is not None
    assert "are free, so it may be killed; what would help: --set train.gradient_checkpointing=true (" in told
    assert "--set moe.experts.type=lora (" in told
    _, trained = run_notes(recipe, world.hybrid)
    assert trained is not None
    assert "moe.experts" not in trained, "an existing hybrid keeps its experts"
    least = with_train(world.recipe, batch_sequences=1, gradient_checkpointing=True, compute_dtype="bfloat16")
    _, unaided = run_notes(least, world.hybrid)
    assert unaided is not None
    assert unaided.endswith("so it may be killed"), "nothing that training alone can change would help"
    assert run_notes(recipe, world.base) == (None, None), "what cannot be trained is told elsewhere"


def test_no_more_is_planned_to_be_read_than_the_corpus_has(world: World, monkeypatch):
    _set_machine(monkeypatch, 1e9)
    recipe = with_train(world.recipe, calibration_tokens=10**12, eval_tokens=10**12, eval_every_steps=5)
    assert run_notes(recipe, world.hybrid, world.corpus) == ("12 steps of 128 tokens: about 1 minute here", None)
