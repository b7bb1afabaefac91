"""Trackers: tensorboard's file read back, the folders and the mode of all, and packages that are missing."""

import importlib.util
import os
import sys
from pathlib import Path
from unittest.mock import Mock, call

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from multipl_judge.extras import install_hint
from multipl_moe.errors import ConfigError
from multipl_moe.train.trackers import tracking
from multipl_moe.train.trainer import train_model
from tests.train.conftest import train_told
from tests.train.tiny import World, with_train


def test_tensorboard_holds_what_the_metrics_hold(world: World, tmp_path: Path):
    before = dict(os.environ)
    lines = train_told(world, tmp_path, trackers=["tensorboard"], tokens=4 * 128, eval_every_steps=2, eval_tokens=256)
    assert dict(os.environ) == before
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scalars = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    for tag, value_of in {
        "train/loss": lambda line: line["loss"],
        "train/grad_norm": lambda line: line["grad_norm"],
        "train/loss/rust": lambda line: line["losses"]["rust"],
        "train/routers/2/segment_load_min": lambda line: min(line["routers"]["2"]["segment_load"]),
        "train/routers/1/token_load_max": lambda line: max(line["routers"]["1"]["token_load"][:-1]),
        "train/routers/1/token_entropy": lambda line: line["routers"]["1"]["token_entropy"],
    }.items():
        assert scalars[tag] == pytest.approx({line["step"]: value_of(line) for line in lines}), tag
    assert list(scalars["eval/loss"]) == list(scalars["eval/loss/english"]) == [2, 4]


def test_missing_packages_are_refused_before_anything_is_read(world: World, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    recipe = with_train(world.recipe, trackers=["wandb", "tensorboard"])
    with pytest.raises(ConfigError) as caught:
        train_model(recipe, tmp_path / "no model", tmp_path / "no corpus", tmp_path / "run")
    assert caught.value.problems == [
        f"train.trackers: {name} is not installed; {install_hint('trackers')}" for name in ("wandb", "tensorboard")
    ]


def test_runs_of_one_process_are_tracked_apart_offline_and_as_the_environment_says(tmp_path: Path, monkeypatch):
    wandb = Mock(run=None)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for key in ("WANDB_DIR", "WANDB_MODE", "TRACKIO_DIR"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    before = dict(os.environ)

    def cut_off(folder: Path) -> None:
        with tracking(["wandb", "trackio"], folder) as callbacks:
            assert [callback.__name__ for callback in callbacks] == ["WandbCallback", "TrackioCallback"]
            assert (os.environ["WANDB_DIR"], os.environ["TRACKIO_DIR"]) == (str(folder), f"{folder}/trackio")
            assert (os.environ["WANDB_MODE"], os.environ["WANDB_PROJECT"]) == ("offline", "theirs")
            raise RuntimeError("power cut")

    for folder in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(RuntimeError, match="power cut"):
            cut_off(folder)
        assert dict(os.environ) == before
    assert wandb.mock_calls == [call.finish(), call.teardown()] * 2
    wandb.run = "the caller's"
    with tracking(["wandb"], tmp_path):
        pass
    assert len(wandb.mock_calls) == 4
