"""One training run in the tiny world that is watched from inside."""

import io
import os
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import TrainerCallback

from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.journal import read_journal
from multipl_moe.train.plan import TrainingPlan, plan_training, starting_config
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_model
from tests.train.tiny import World, answers_world, tensors, with_train

RUNTIME_BYTES = 1000
RUN_FILES = {"model", "training.json", "recipe.yaml", "environment.json"}
"""What a finished run leaves in its folder."""


@pytest.fixture(scope="session")
def with_answers(tmp_path_factory: pytest.TempPathFactory) -> World:
    return answers_world(tmp_path_factory)


@dataclass
class Watcher(TrainerCallback):
    """Notes what the loop does with the model and its optimiser."""

    losses: list[float] = field(default_factory=list)
    needs_gradient: dict[int, set[bool]] = field(default_factory=dict)
    optimised: set[str] = field(default_factory=set)
    with_state: set[str] = field(default_factory=set)
    frozen_gradients: list[str] = field(default_factory=list)
    saves: list[int] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)

    def on_train_begin(self, args, state, control, **kwargs):
        for index, layer in enumerate(kwargs["model"].get_decoder().layers):
            layer.register_forward_hook(partial(self._note, index))

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        named = kwargs["model"].named_parameters()
        self.frozen_gradients += [name for name, p in named if p.grad is not None and not p.requires_grad]

    def on_step_end(self, args, state, control, **kwargs):
        optimizer = getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"])
        names = {parameter: name for name, parameter in kwargs["model"].named_parameters()}
        self.optimised |= {names[parameter] for group in optimizer.param_groups for parameter in group["params"]}
        self.with_state |= {names[parameter] for parameter in optimizer.state}

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def on_save(self, args, state, control, **kwargs):
        self.saves.append(state.global_step)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        self.metrics.append(dict(metrics or {}))

    def _note(self, index: int, module, args, output) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        self.needs_gradient.setdefault(index, set()).add(hidden.requires_grad)


class Interrupt(TrainerCallback):
    """Sends Ctrl-C to this process when a step begins."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


class PowerCut(TrainerCallback):
    """The process dies, without a word, after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise RuntimeError("power cut")


def train(world: World, folder: Path, *callbacks: TrainerCallback, **values: Any) -> TrainResult:
    """Train the world's hybrid, or as `method` wants its base, with other values in the section `train`."""
    recipe = with_train(world.recipe, **values)
    start = world.hybrid if recipe.train.trains_hybrid else world.base
    return train_model(recipe, start, world.corpus, folder, callbacks=callbacks)


def train_told(world: World, folder: Path, *callbacks: TrainerCallback, **values: Any) -> list[dict[str, Any]]:
    """The same with `TrainingProgress`, before the other callbacks; returns the lines of metrics.jsonl."""
    folder.mkdir(exist_ok=True)
    per_step = tokens_per_step(with_train(world.recipe, **values).train)
    train(world, folder, TrainingProgress(folder, per_step, Console(quiet=True)), *callbacks, **values)
    return read_journal(folder / "metrics.jsonl")


def plan_of(recipe: Recipe, folder: Path | None = None) -> TrainingPlan:
    """The plan of a run that starts from a model that exists, or from what `upcycle` will make."""
    return plan_training(recipe, starting_config(recipe, folder), runtime_bytes=RUNTIME_BYTES)


@pytest.fixture(scope="module")
def plan_of_world(world: World) -> TrainingPlan:
    return plan_of(world.recipe, world.hybrid)


def changed(before: Path, after: Path) -> set[str]:
    """Names of the tensors of two checkpoints that differ in a bit; both have the same ones."""
    ours, theirs = tensors(before), tensors(after)
    assert ours.keys() == theirs.keys()
    return {name for name in ours if not torch.equal(ours[name].view(torch.uint8), theirs[name].view(torch.uint8))}


@dataclass(frozen=True)
class Run:
    """A finished run, its folder, what was noted in it, its lines of metrics.jsonl, and what was shown of it."""

    folder: Path
    result: TrainResult
    watcher: Watcher
    lines: list[dict[str, Any]]
    shown: str


@pytest.fixture(scope="session")
def run(world: World, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, watcher, shown = tmp_path_factory.mktemp("run"), Watcher(), io.StringIO()
    progress = TrainingProgress(folder, tokens_per_step(world.recipe.train), Console(file=shown, width=160))
    result = train_model(world.recipe, world.hybrid, world.corpus, folder, callbacks=[watcher, progress])
    return Run(folder, result, watcher, read_journal(folder / "metrics.jsonl"), shown.getvalue())
