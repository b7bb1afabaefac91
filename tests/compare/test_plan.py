"""The plan of a comparison is that of its runs."""

from multipl_moe.compare.plan import plan_comparison
from multipl_moe.compare.schema import planned_runs
from multipl_moe.train.plan import plan_training, starting_config


def test_every_run_is_planned_from_its_recipe(comparison):
    plans = plan_comparison(comparison, runtime_bytes=1000)
    assert [run for run, _ in plans] == planned_runs(comparison)
    for run, plan in plans:
        assert plan == plan_training(run.recipe, starting_config(run.recipe), runtime_bytes=1000)
