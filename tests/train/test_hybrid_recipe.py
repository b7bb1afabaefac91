"""What a run on a hybrid records of it, and that a recipe cannot ask for another one."""

from pathlib import Path

import pytest

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import load_recipe, validate_recipe
from multipl_moe.train.hybrid_recipe import recipe_of_hybrid
from multipl_moe.upcycle.convert import upcycle
from tests.train.tiny import World, tiny_recipe


def test_the_recorded_recipe_makes_the_same_hybrid_again(world: World, tmp_path: Path):
    made = tiny_recipe(world.base, world.sources, moe={"preset": "moe-lpr"}, upcycle={"reinit": 0.25})
    upcycle(made, tmp_path / "hybrid")
    recorded = recipe_of_hybrid(validate_recipe({"learn": ["rust"], "keep": ["python"]}), tmp_path / "hybrid")
    (tmp_path / "recipe.yaml").write_text(recorded.to_yaml())
    again = load_recipe(tmp_path / "recipe.yaml")
    assert (again.learn, again.keep) == (["rust"], ["python"])
    assert (again.base, again.upcycle.reinit) == (str(world.base), 0.25)
    own = load_config(tmp_path / "hybrid")
    assert again.moe.resolve([1, 2], []).to_dict() == own.moe_config.to_dict()
    assert again.moe.layers == [1, 2]


def test_the_recipe_that_made_the_hybrid_and_parts_of_it_are_taken(world: World):
    assert recipe_of_hybrid(world.recipe, world.hybrid).moe.preset == "causal"
    part = validate_recipe({"moe": {"layers": "last:2", "segment_stride": 4, "segment_window": 8}})
    assert recipe_of_hybrid(part, world.hybrid).moe.resolve([1, 2], []).num_segment_experts == 3


def test_settings_that_the_hybrid_has_not_are_all_told(world: World):
    other = validate_recipe({"moe": {"preset": "token-only", "layers": "all"}})
    with pytest.raises(ConfigError) as refused:
        recipe_of_hybrid(other, world.hybrid)
    first, second = refused.value.problems
    assert first.startswith(f"moe.layers: [0, 1, 2], but {world.hybrid} has [1, 2]; leave it out")
    assert second.startswith("moe.preset: token-only, but ")


def test_a_language_that_the_domain_gate_does_not_know_is_refused(world: World, tmp_path: Path):
    gated = tiny_recipe(world.base, world.sources, moe={"domain_gate": True})
    upcycle(gated, tmp_path / "gated", corpus=world.corpus)
    again = gated.model_copy(update={"learn": ["go", "rust"]})
    assert recipe_of_hybrid(again, tmp_path / "gated").moe.domain_gate
    with pytest.raises(ConfigError, match=r"opens for rust, go, and would stay shut for ruby"):
        recipe_of_hybrid(gated.model_copy(update={"learn": ["rust", "ruby"]}), tmp_path / "gated")
    with pytest.raises(ConfigError, match=r"domain_gate: .* has none"):
        recipe_of_hybrid(gated, world.hybrid)


def test_a_dense_model_changes_nothing(world: World):
    recipe = validate_recipe({"moe": {"preset": "paper"}})
    assert recipe_of_hybrid(recipe, world.base) is recipe
