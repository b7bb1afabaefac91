"""What is told before a run: its time, and memory where it lacks some."""

import pytest

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.system.minute_lines import minutes_of
from multipl_moe.train import memory_note as module
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.memory_note import run_notes
from multipl_moe.train.plan import plan_training
from tests.train.tiny import World, tiny_recipe, with_train


def test_a_run_that_fits_has_no_note_and_one_that_does_not_has_its_size_and_what_helps(world: World, monkeypatch):
    recipe = tiny_recipe(world.base, world.sources, moe={"preset": "single", "languages": None})
    monkeypatch.setattr(module, "usable_bytes", lambda: 10**15)
    took, note = run_notes(recipe, world.hybrid)
    assert (took, note) == ("12 steps of 128 tokens: about 1 minute here", None)
    slow = MachineSpeed(flops_per_s=1e5, bytes_per_s=1e5)
    monkeypatch.setattr(module, "speed_of", lambda recipe, config: lambda dtype: slow)
    plan = plan_training(recipe, load_config(world.hybrid), runtime_bytes=0)
    took, note = run_notes(recipe, world.hybrid)
    assert took == f"12 steps of 128 tokens: about {minutes_of(plan.training_seconds(slow))} here"
    assert note is None
    assert plan.training_seconds(slow) > 12 * plan.step_seconds(slow) > 600
    monkeypatch.setattr(module, "usable_bytes", lambda: 2**20)
    _, told = run_notes(recipe)
    assert told is not None
    assert "are free, so it may be killed; what would help: --set train.gradient_checkpointing=true (" in told
    assert "--set moe.experts.type=lora (" in told
    _, trained = run_notes(recipe, world.hybrid)
    assert trained is not None
    assert "moe.experts" not in trained, "an existing hybrid keeps its experts"
    assert run_notes(recipe, world.base) == (None, None), "what cannot be trained is told elsewhere"


@pytest.mark.parametrize(
    "settings", [{"calibration_tokens": 10**12}, {"eval_tokens": 10**12, "eval_every_steps": 5}], ids=str
)
def test_no_more_is_planned_to_be_read_than_the_corpus_has(world: World, settings: dict[str, int]):
    recipe = with_train(world.recipe, **settings)
    assert run_notes(recipe, world.hybrid, world.corpus) == ("12 steps of 128 tokens: about 1 minute here", None)
