"""What is told before a run that does not fit into memory."""

import pytest

from multipl_moe.train import memory_note as module
from multipl_moe.train.memory_note import memory_note
from tests.train.tiny import World, tiny_recipe


def test_a_run_that_fits_has_no_note_and_one_that_does_not_has_its_size_and_what_helps(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    recipe = tiny_recipe(world.base, world.sources, moe={"preset": "single", "languages": None})
    monkeypatch.setattr(module, "usable_bytes", lambda: 10**15)
    assert memory_note(recipe, world.hybrid) is memory_note(recipe) is None
    monkeypatch.setattr(module, "usable_bytes", lambda: 2**20)
    told = memory_note(recipe)
    assert told is not None
    assert "are free, so it may be killed; what would help: --set train.gradient_checkpointing=true (" in told
    assert "--set moe.experts.type=lora (" in told
    trained = memory_note(recipe, world.hybrid)
    assert trained is not None
    assert "moe.experts" not in trained, "an existing hybrid keeps its experts"
    assert memory_note(recipe, world.base) is None, "what cannot be trained is told elsewhere"
