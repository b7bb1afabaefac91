"""What the runs of a comparison will need, each planned from its recipe and the base's configuration alone."""

from multipl_moe.compare.schema import Comparison, Run, planned_runs
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.plan import TrainingPlan, plan_training, starting_config
from multipl_moe.train.setup import require_a_step, require_optimizer


def plan_comparison(comparison: Comparison, *, runtime_bytes: int) -> list[tuple[Run, TrainingPlan]]:
    """Plan the training and scoring of every run, in their order; `runtime_bytes` is what the process holds at first.

    Raises:
        BaseModelError: the base cannot be read.
        ConfigError: layers that the base does not have, or an optimiser that does not run here.
    """
    known: dict[str, TrainingPlan] = {}
    runs = planned_runs(comparison)
    for run in runs:
        require_a_step(run.recipe.train)
        require_optimizer(run.recipe.train.optimizer)
    return [(run, _plan(run.recipe, runtime_bytes, known)) for run in runs]


def _plan(recipe: Recipe, runtime_bytes: int, known: dict[str, TrainingPlan]) -> TrainingPlan:
    """The plan of a training; of those that differ in seed, rate or length alone only the first is tried."""
    alike = recipe.with_settings("train", tokens=1, skip_tokens=0, learning_rate=1.0, eval_every_steps=None)
    key = alike.model_copy(update={"seed": 0}).to_yaml()
    if key not in known:
        known[key] = plan_training(recipe, starting_config(recipe), runtime_bytes=runtime_bytes)
    return known[key].with_length(recipe)
