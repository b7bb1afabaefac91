"""Trackers: tensorboard's file read back, a run that goes on, and packages that are missing."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerCallback

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.train.trackers import tracking
from multipl_moe.train.trainer import train_model
from tests.train.conftest import Interrupt, PowerCut, train_told
from tests.train.tiny import World, with_train


def _train(world: World, folder: Path, *callbacks: TrainerCallback, **train: Any) -> list[dict[str, Any]]:
    return train_told(world, folder, *callbacks, trackers=["tensorboard"], **train)


def _scalars(folder: Path) -> dict[str, dict[int, float]]:
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def test_tensorboard_holds_what_the_metrics_hold(world: World, tmp_path: Path):
    lines = _train(world, tmp_path / "run", eval_every_steps=4, eval_tokens=256)
    scalars = _scalars(tmp_path / "run")
    for tag, value_of in {
        "train/loss": lambda line: line["loss"],
        "train/grad_norm": lambda line: line["grad_norm"],
        "train/loss/rust": lambda line: line["losses"]["rust"],
        "train/skipped_steps": lambda line: line["skipped_steps"],
        "train/routers/2/segment_load_min": lambda line: min(line["routers"]["2"]["segment_load"]),
        "train/routers/1/token_load_max": lambda line: max(line["routers"]["1"]["token_load"][:-1]),
        "train/routers/1/token_entropy": lambda line: line["routers"]["1"]["token_entropy"],
    }.items():
        assert scalars[tag] == pytest.approx({line["step"]: value_of(line) for line in lines}), tag
    assert list(scalars["eval/loss"]) == list(scalars["eval/loss/english"]) == [4, 8, 12]


@pytest.mark.extended
def test_resumed_run_writes_on_and_in_place_of_what_came_after_its_checkpoint(world: World, tmp_path: Path):
    whole = _train(world, tmp_path / "whole", log_every_steps=1)

    with pytest.raises(RuntimeError, match="power cut"):
        _train(world, tmp_path / "run", PowerCut(8), log_every_steps=1)
    with pytest.raises(KeyboardInterrupt):
        _train(world, tmp_path / "run", Interrupt(9), log_every_steps=1)
    _train(world, tmp_path / "run", log_every_steps=1)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload().Scalars("train/loss")
    assert [event.step for event in events] == list(range(1, 13))
    assert [event.value for event in events] == pytest.approx([line["loss"] for line in whole])


def test_missing_packages_are_refused_before_anything_is_read(world: World, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    recipe = with_train(world.recipe, trackers=["wandb", "tensorboard"])
    with pytest.raises(ConfigError) as caught:
        train_model(recipe, tmp_path / "no model", tmp_path / "no corpus", tmp_path / "run")
    assert caught.value.problems == [
        f"train.trackers: {name} is not installed; pip install -e '.[trackers]'" for name in ("wandb", "tensorboard")
    ]


def test_unknown_tracker_is_refused():
    with pytest.raises(ConfigError, match=r"train\.trackers\.0: 'mlflow'.*'tensorboard', 'trackio' or 'wandb'"):
        validate_recipe({"train": {"trackers": ["mlflow"]}})


def test_environment_is_left_alone_without_those_that_read_it(tmp_path: Path):
    before = dict(os.environ)
    with (
        tracking([], tmp_path) as none,
        tracking(["tensorboard"], tmp_path) as one,
    ):
        assert (none, len(one)) == ([], 1)
        assert dict(os.environ) == before


class _Wandb:
    """In the place of the package: what transformers' callback and the end of a run do with it."""

    def __init__(self) -> None:
        self.run: Path | None = None
        self.finished: list[Path | None] = []

    def callback(self) -> TrainerCallback:
        self.run = self.run or Path(os.environ["WANDB_DIR"])  # transformers begins one only where there is none
        return TrainerCallback()

    def finish(self) -> None:
        self.finished.append(self.run)
        self.run = None

    def teardown(self) -> None:
        assert self.run is None


@pytest.fixture
def wandb(monkeypatch) -> _Wandb:
    wandb = _Wandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setattr(
        "multipl_moe.train.trackers.get_reporting_integration_callbacks", lambda names: [wandb.callback]
    )
    monkeypatch.delenv("WANDB_DIR", raising=False)
    return wandb


def test_runs_of_one_process_are_tracked_apart_also_after_a_failure(tmp_path: Path, wandb: _Wandb):
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="power cut"), tracking(["wandb"], tmp_path / "a"):
        raise RuntimeError("power cut")
    with tracking(["wandb"], tmp_path / "b"):
        assert os.environ["WANDB_MODE"] == "offline"
    assert wandb.finished == [tmp_path / "a", tmp_path / "b"]
    assert dict(os.environ) == before


def test_a_run_that_the_caller_began_and_folders_that_the_environment_names_are_theirs(
    tmp_path: Path, wandb: _Wandb, monkeypatch
):
    monkeypatch.setenv("WANDB_DIR", "theirs")
    wandb.run = tmp_path
    with tracking(["wandb"], tmp_path / "a"):
        assert os.environ["WANDB_DIR"] == "theirs"
    assert (wandb.run, wandb.finished) == (tmp_path, [])
    assert os.environ["WANDB_DIR"] == "theirs"
