"""The schema of comparisons: which runs follow, and what is refused."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from multipl_moe.compare.plan import plan_comparison
from multipl_moe.compare.schema import common_recipe, comparison_of_recipes, load_comparison, planned_runs
from multipl_moe.errors import ConfigError
from multipl_moe.train.plan import plan_training, starting_config
from tests.train.tiny import World

COMPARISONS = Path(__file__).parents[2] / "recipes" / "comparisons"


def _write(tmp_path: Path, values: dict[str, Any]) -> Path:
    file = tmp_path / "comparison.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def _problems(tmp_path: Path, values: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_comparison(_write(tmp_path, values))
    return caught.value.problems


def test_short_runs_at_the_methods_own_rates_come_first_then_long_ones_then_curves_then_other_seeds(comparison):
    hybrid = comparison.methods["causal"].model_copy(update={"seeds": [3, 4]})
    seeds = comparison.model_copy(update={"methods": comparison.methods | {"causal": hybrid}})
    assert [run.name for run in planned_runs(seeds)] == [
        "dense-ffn-0k-lr0.001-seed3-curve",
        "slow-0k-lr0.001-seed3-curve",
        "causal-0k-lr0.01-seed3",
        "dense-ffn-0k-lr0.001-seed3",
        "dense-ffn-0k-lr0.01-seed3-curve",
        "causal-0k-lr0.01-seed4",
    ]


@pytest.mark.parametrize(
    ("common", "changes"),
    [
        ({"train": {"replay": 0.1, "method": "lora"}}, {"train.method": "dense"}),
        ({"train.replay": 0.1, "train": {}}, {"train": {"method": "dense"}}),
    ],
)
def test_a_method_changes_only_what_it_names_however_sections_are_written(tmp_path: Path, common: Any, changes: Any):
    values = {"tokens": 512, "recipe": common, "methods": {"dense": {"title": "dense", "set": changes}}}
    (run,) = planned_runs(load_comparison(_write(tmp_path, values)))
    assert (run.recipe.train.replay, run.recipe.train.method) == (0.1, "dense")


def test_a_null_replaces_a_default_and_a_comparison_comes_back_from_its_own_yaml(tmp_path: Path):
    for common in ({"corpus.max_bytes_per_language": None}, {"corpus": {"max_bytes_per_language": None}}):
        values = {"tokens": 512, "recipe": common, "methods": {"dense": {"title": "dense"}}}
        comparison = load_comparison(_write(tmp_path, values))
        assert common_recipe(comparison).corpus.max_bytes_per_language is None
        comparison = comparison.model_copy(update={"title": "12e4"})
        (tmp_path / "again.yaml").write_text(comparison.to_yaml())
        assert load_comparison(tmp_path / "again.yaml") == comparison


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 4),
        ("own_languages", {"tcl": {}}),
        ("train.replay", 0.5),
        ("train.max_epochs", 9.0),
        ("train.batch_sequences", 2),
    ],
)
def test_methods_that_would_see_other_tokens_or_another_order_are_refused(values, tmp_path: Path, key: str, value: Any):
    changed = copy.deepcopy(values)
    changed["recipe"]["train"]["max_epochs"] = 3.0
    changed["methods"]["slow"]["set"][key] = value
    (problem,) = _problems(tmp_path, changed)
    assert problem.endswith(f"methods.slow: {key} must be the same as in causal")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"methods": {"causal": {"titel": "x"}}}, "methods.causal.titel: unknown key; did you mean 'title'?"),
        ({"claims": [{"question": "?", "of": "causal", "against": "gpt"}]}, "claims: gpt: no such method"),
        ({"methods": {"slow": {"learning_rates": []}}}, "methods.slow: give it learning_rates, as it has no long runs"),
        ({"methods": {"slow": {"learning_rate": 5e-3}}}, "methods.slow.learning_rate: 0.005 must be one of its learn"),
        ({"methods": {"slow": {"learning_rates": [1e-3, 1.0000001e-3]}}}, "slow-0k-lr0.001-seed3-curve: planned twice"),
        ({"recipe": {"seeed": 1}}, "methods.causal: recipe: seeed: unknown key; did you mean 'seed'?"),
        ({"methods": {"dense-ffn": {"set": {"eval.window_tokens": 32}}}}, "methods.dense-ffn: eval must be the same"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(values, tmp_path: Path, change: dict[str, Any], problem: str):
    changed = copy.deepcopy(values)
    for name, method in change.pop("methods", {}).items():
        changed["methods"][name] |= method
    problems = _problems(tmp_path, changed | change)
    assert any(problem in line for line in problems), problems


def test_a_methods_name_can_be_part_of_a_folders(values, tmp_path: Path):
    changed = copy.deepcopy(values)
    changed["methods"] |= dict.fromkeys(("../evil", ""), changed["methods"]["slow"])
    assert sum("must match ^[A-Za-z0-9]" in line for line in _problems(tmp_path, changed)) == 2


def test_recipe_files_are_methods_named_after_them_with_their_own_rate_and_seed(world: World, tmp_path: Path):
    for name, rate in (("slow", 1e-3), ("fast", 1e-2)):
        values = world.recipe.model_dump(mode="json", exclude_none=True)
        values["train"]["learning_rate"] = rate
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    runs = planned_runs(comparison_of_recipes([tmp_path / "slow.yaml", tmp_path / "fast.yaml"], tokens=256))
    assert [(run.name, run.method, run.recipe.seed, run.recipe.train.tokens) for run in runs] == [
        ("slow-0k-lr0.001-seed3", "slow", 3, 256),
        ("fast-0k-lr0.01-seed3", "fast", 3, 256),
    ]
    with pytest.raises(ConfigError, match="give each file a name of its own"):
        comparison_of_recipes([tmp_path / "slow.yaml", tmp_path / "other" / "slow.yaml"], tokens=256)


def test_a_method_with_a_recipe_file_has_nothing_of_the_common_recipe(tmp_path: Path):
    (tmp_path / "own.yaml").write_text("moe: {preset: single}\n")
    common = {"train": {"eval_every_steps": 7}, "moe": {"experts": {"layers": "last:2"}}, "corpus": {}}
    methods = {"common": {"title": "common"}, "own": {"title": "own", "recipe": str(tmp_path / "own.yaml")}}
    comparison = load_comparison(_write(tmp_path, {"tokens": 512, "recipe": common, "methods": methods}))
    (tmp_path / "again.yaml").write_text(comparison.to_yaml())
    for read in (comparison, load_comparison(tmp_path / "again.yaml")):
        told = [(run.recipe.train.eval_every_steps, run.recipe.moe.experts.layers) for run in planned_runs(read)]
        assert told == [(7, "last:2"), (None, "all")]


def test_every_run_is_planned_from_its_recipe(comparison):
    plans = plan_comparison(comparison, runtime_bytes=1000)
    assert [run for run, _ in plans] == planned_runs(comparison)
    for run, plan in plans[1:3]:  # a curve's, and a long run's
        assert plan == plan_training(run.recipe, starting_config(run.recipe), runtime_bytes=1000)


def test_the_comparisons_that_come_with_the_project_are_valid():
    files = list(COMPARISONS.glob("*.yaml"))
    assert files
    for file in files:
        comparison = load_comparison(file)
        assert len({run.name for run in planned_runs(comparison)}) == len(planned_runs(comparison))
