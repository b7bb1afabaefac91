"""What a run on a hybrid records of it, and that a recipe cannot ask for another one."""

import json
import shutil
from pathlib import Path

import pytest

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import load_recipe, validate_recipe
from multipl_moe.train.hybrid_recipe import recipe_of_hybrid
from tests.train.tiny import World, made_hybrid


def test_the_recorded_recipe_makes_the_same_hybrid_again(world: World, tmp_path: Path):
    start = {"noise": 0.25, "dtype": "bfloat16"}
    made = made_hybrid(world, tmp_path / "hybrid", moe={"preset": "token-only"}, upcycle=start)
    recorded = recipe_of_hybrid(validate_recipe({"learn": ["rust"], "keep": ["python"]}), tmp_path / "hybrid")
    (tmp_path / "recipe.yaml").write_text(recorded.to_yaml())
    again = load_recipe(tmp_path / "recipe.yaml")
    assert (again.learn, again.keep) == (["rust"], ["python"])
    assert (again.base, again.upcycle.noise, again.upcycle.dtype) == (str(world.base), 0.25, "bfloat16")
    own = load_config(tmp_path / "hybrid")
    assert again.moe.resolve([1, 2], []).to_dict() == own.moe_config.to_dict()
    assert again.moe.experts.layers == [1, 2]
    assert recipe_of_hybrid(again, tmp_path / "hybrid") == again, "a run's own recipe, in which every key is set"
    (tmp_path / "made.yaml").write_text(made.to_yaml())
    assert recipe_of_hybrid(load_recipe(tmp_path / "made.yaml"), tmp_path / "hybrid").upcycle == again.upcycle


def test_the_recipe_that_made_the_hybrid_and_parts_of_it_are_taken(world: World):
    assert recipe_of_hybrid(world.recipe, world.hybrid).moe.preset == "causal"
    part = validate_recipe({"moe": {"preset": "causal", "gate": {"stride": 4}, "experts": {"layers": "last:2"}}})
    assert recipe_of_hybrid(part, world.hybrid).moe.resolve([1, 2], []).num_trained_experts == 6


def test_settings_that_the_hybrid_has_not_are_all_told(world: World):
    other = validate_recipe({"base": "org/other", "moe": {"preset": "token-only", "experts": {"layers": "all"}}})
    with pytest.raises(ConfigError) as refused:
        recipe_of_hybrid(other, world.hybrid)
    base, first, second = refused.value.problems
    assert base.startswith(f"base: org/other, but {world.hybrid} has {world.base}; leave it out")
    assert first.startswith(f"moe.experts.layers: [0, 1, 2], but {world.hybrid} has [1, 2]; leave it out")
    assert second.startswith("moe.preset: token-only, but ")


def test_a_start_that_the_hybrid_has_not_is_told(world: World, tmp_path: Path):
    hybrid = shutil.copytree(world.hybrid, tmp_path / "hybrid")
    record = json.loads((hybrid / "upcycle.json").read_text())
    made = record | {"noise": 0.5, "other_text": ["a/perl"]}
    (hybrid / "upcycle.json").write_text(json.dumps(made))
    same = {"noise": 0.5, "dtype": "auto", "other_text": ["b/perl"]}
    again = validate_recipe({"upcycle": same, "moe": {"preset": "causal"}})
    assert recipe_of_hybrid(again, hybrid).upcycle.dtype == "float32"
    assert recipe_of_hybrid(validate_recipe({}), hybrid).upcycle.other_text == [Path("a/perl")]
    other = {"noise": 0.0, "dtype": "bfloat16", "verify": False, "other_text": []}
    with pytest.raises(ConfigError) as refused:
        recipe_of_hybrid(validate_recipe({"upcycle": other}), hybrid)
    told = [problem.partition("; ")[0] for problem in refused.value.problems]
    assert told == [
        f"upcycle.dtype: bfloat16, but {hybrid} has float32",
        f"upcycle.noise: 0.0, but {hybrid} has 0.5",
        f"upcycle.other_text: [], but {hybrid} has {[Path('a/perl')]}",
    ]


def test_a_recipe_that_contradicts_the_domain_gate_is_refused(world: World, tmp_path: Path):
    gated = made_hybrid(world, tmp_path / "gated", world.corpus, moe={"languages": None})
    again = gated.model_copy(update={"learn": ["go", "rust"]})
    assert recipe_of_hybrid(again, tmp_path / "gated").moe.gate.languages
    with pytest.raises(ConfigError, match=r"opens for rust, go, and would stay shut for ruby"):
        recipe_of_hybrid(gated.model_copy(update={"learn": ["rust", "ruby"]}), tmp_path / "gated")
    with pytest.raises(ConfigError, match=r"^keep: .*opens for go, "):
        recipe_of_hybrid(gated.model_copy(update={"learn": ["rust"], "keep": ["python", "go"]}), tmp_path / "gated")
    shut = gated.with_settings("moe", gate=gated.moe.gate.model_copy(update={"languages": []}))
    with pytest.raises(ConfigError, match=r"^moe\.gate\.languages: \[\], but .*gated has \['rust', 'go'\]"):
        recipe_of_hybrid(shut, tmp_path / "gated")


def test_a_dense_model_changes_nothing(world: World):
    recipe = validate_recipe({"moe": {"preset": "paper"}})
    assert recipe_of_hybrid(recipe, world.base) is recipe
