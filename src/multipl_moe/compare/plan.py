"""What the runs of a comparison will need, each planned from its recipe and the base's configuration alone."""

from dataclasses import dataclass

import torch

from multipl_moe.compare.schema import Comparison, Run, planned_runs
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.plan import TrainingPlan, plan_training, starting_config
from multipl_moe.train.setup import TrainingSetup, require_optimizer


@dataclass(frozen=True)
class RunPlan:
    """What a run needs.

    Attributes:
        name: of the run.
        method: key of its method.
        dtype: of its matrix products.
        plan: of its training and scoring.
    """

    name: str
    method: str
    dtype: torch.dtype
    plan: TrainingPlan

    @property
    def peak_bytes(self) -> int:
        """Most memory that it holds."""
        return self.plan.memory.total_bytes

    def seconds(self, speed: MachineSpeed) -> float:
        """Estimated time."""
        return self.plan.total_seconds(speed)


def plan_comparison(comparison: Comparison, *, runtime_bytes: int) -> list[RunPlan]:
    """Plan every run, in their order; `runtime_bytes` is what the process holds without a model.

    Raises:
        BaseModelError: the base cannot be read.
        ConfigError: layers that the base does not have, or an optimiser that does not run here.
    """
    known: dict[str, TrainingPlan] = {}
    return [_plan_run(run, runtime_bytes, known) for run in planned_runs(comparison)]


def _plan_run(run: Run, runtime_bytes: int, known: dict[str, TrainingPlan]) -> RunPlan:
    require_optimizer(run.recipe.train.optimizer)
    plan = _plan(run.recipe, runtime_bytes, known)
    return RunPlan(run.name, run.method, TrainingSetup.of(run.recipe).dtype, plan)


def _plan(recipe: Recipe, runtime_bytes: int, known: dict[str, TrainingPlan]) -> TrainingPlan:
    """The plan of a training; of those that differ in seed, rate or length alone only the first is tried."""
    alike = recipe.with_settings("train", tokens=1, skip_tokens=0, learning_rate=1.0, eval_every_steps=None)
    key = alike.model_copy(update={"seed": 0}).to_yaml()
    if key not in known:
        known[key] = plan_training(recipe, starting_config(recipe), runtime_bytes=runtime_bytes)
    return known[key].with_length(recipe)
