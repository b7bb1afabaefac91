"""The plan of a comparison is that of its runs."""

from pathlib import Path

import pytest
import yaml

from multipl_moe.compare.plan import plan_comparison
from multipl_moe.compare.schema import Run, load_comparison, planned_runs
from multipl_moe.train.plan import TrainingPlan, plan_training, starting_config
from tests.train.tiny import World, tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory)


def _planned(world: World, folder: Path) -> tuple[list[Run], list[tuple[Run, TrainingPlan]]]:
    common = world.recipe.to_values()
    common["train"] = {"sequence_tokens": 32, "batch_sequences": 2, "compute_dtype": "float32"}
    methods = {
        "hybrid": {
            "title": "hybrid",
            "learning_rates": [1e-3, 2e-3],
            "learning_rate": 1e-3,
            "seeds": [0, 1],
        },
        "dense": {"title": "dense", "set": {"train.method": "dense"}},
    }
    values = {"tokens": 1280, "curve_tokens": 256, "recipe": common, "methods": methods}
    (folder / "comparison.yaml").write_text(yaml.safe_dump(values))
    comparison = load_comparison(folder / "comparison.yaml")
    return planned_runs(comparison), plan_comparison(comparison, runtime_bytes=1000)


def test_every_run_is_planned_from_its_recipe(world: World, tmp_path: Path):
    runs, plans = _planned(world, tmp_path)
    assert [run for run, _ in plans] == runs
    for run, plan in plans:
        assert plan == plan_training(run.recipe, starting_config(run.recipe), runtime_bytes=1000)
