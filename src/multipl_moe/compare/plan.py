"""What the runs of a comparison will need, each planned from its recipe and the base's configuration alone."""

from dataclasses import dataclass, replace

import torch

from multipl_moe.compare.run import warm_recipe
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
        parts: its trainings: the one that makes its model, then the warm start if it has one.
    """

    name: str
    method: str
    dtype: torch.dtype
    parts: list[TrainingPlan]

    @property
    def peak_bytes(self) -> int:
        """Most memory of any part."""
        return max(part.memory.total_bytes for part in self.parts)

    def seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of all parts."""
        return sum(part.total_seconds(speed) for part in self.parts)


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
    parts = [plan]
    if run.warm_start is not None:  # the model that it makes is not scored
        parts.append(replace(_plan(warm_recipe(run.recipe, run.warm_start), runtime_bytes, known), scored_tokens=0))
    return RunPlan(run.name, run.method, TrainingSetup.of(run.recipe).dtype, parts)


def _plan(recipe: Recipe, runtime_bytes: int, known: dict[str, TrainingPlan]) -> TrainingPlan:
    """The plan of a training; of those that differ in seed, rate or length alone only the first is tried."""
    alike = recipe.with_settings("train", tokens=1, skip_tokens=0, learning_rate=1.0, eval_every_steps=None)
    key = alike.model_copy(update={"seed": 0}).to_yaml()
    if key not in known:
        known[key] = plan_training(recipe, starting_config(recipe), runtime_bytes=runtime_bytes)
    return known[key].with_length(recipe)
