"""Checkpoints: whole or not at all, only what training changes, the last and the best kept, a full disk explained."""

import errno
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.errors import DiskError, OutputError
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.system.staging import staged_folder
from multipl_moe.train import ordered_trainer
from multipl_moe.train.checkpoints import (
    checkpoint_path,
    full_disk_explained,
    last_checkpoint,
    load_trained,
    remove_checkpoints,
    require_checkpoint_space,
    saved_checkpoints,
    trained_state,
)
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.setup import TrainingSetup
from tests.train.conftest import Interrupt, Run, changed, train
from tests.train.tiny import World, tensors, with_train


def _folders(root: Path, *steps: int) -> None:
    for step in steps:
        (root / f"checkpoint-{step}").mkdir()
        (root / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")


def test_newest_checkpoint_is_the_last_and_leftovers_go(tmp_path: Path):
    _folders(tmp_path, 5, 10)
    (tmp_path / "checkpoint-10.bak").mkdir()  # a user's own copy is none of them
    (tmp_path / ".checkpoint-105.partial").mkdir()
    (tmp_path / ".checkpoint-105.partial" / "optimizer.pt").write_text("half")
    (tmp_path / "cost.json").write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint-5",
        "checkpoint-10",
        "checkpoint-10.bak",
        "cost.json",
    }
    assert last_checkpoint(tmp_path / "none") is None


def test_only_the_checkpoints_to_keep_stay(tmp_path: Path):
    _folders(tmp_path, 2, 9, 10, 100)
    assert list(saved_checkpoints(tmp_path)) == [2, 9, 10, 100]
    remove_checkpoints(tmp_path, {9, 100})
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-9", "checkpoint-100"}


class _Look(TrainerCallback):
    """The checkpoints after each save."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []
        self.held_out: dict[int, float] = {}
        self.weights: dict[int, dict[str, torch.Tensor]] = {}

    def on_save(self, args, state, control, **kwargs):
        folder = Path(args.output_dir or "")
        self.kept.append(list(saved_checkpoints(folder)))
        last = checkpoint_path(folder, state.global_step)
        self.weights[state.global_step] = load_file(last / "trained.safetensors")

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        assert metrics is not None
        self.held_out[state.global_step] = metrics["eval_loss"]


def test_best_checkpoint_is_kept_and_becomes_the_model(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told, look = {2: 3.0, 4: 1.0, 6: 2.0, 8: 1.5, 10: 1.0, 12: 1.2}, _Look()  # held-out losses, best after step 4
    original = ordered_trainer.OrderedTrainer._determine_best_metric

    def told_best(self, metrics, trial):
        return original(self, {"eval_loss": told[self.state.global_step]}, trial)

    monkeypatch.setattr(ordered_trainer.OrderedTrainer, "_determine_best_metric", told_best)
    often = {"eval_every_steps": 2, "eval_tokens": 256, "keep_best": True, "save_every_steps": 5, "keep_checkpoints": 1}
    result = train(world, tmp_path, look, **often)
    assert look.kept == [[2], [4], [4, 5], [4, 10], [4, 12]]
    assert result.best_step == 4
    model = tensors(result.model_folder)
    trained = trained_names(load_hybrid(world.hybrid))
    assert all(torch.equal(model[name], look.weights[4][name]) for name in trained)
    assert any(not torch.equal(model[name], look.weights[12][name]) for name in trained)


@pytest.mark.parametrize("method", ["experts", "dense", "dense-ffn", "lora"])
def test_checkpoint_holds_what_trains_and_buffers_alone(world: World, method: str):
    recipe = with_train(world.recipe, method=method)
    model = load_for_training(recipe.train, world.hybrid if method == "experts" else world.base)
    prepare(model, recipe)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = FLOAT32_BUFFERS if method == "experts" else ()
    assert trained_state(model).keys() == trained | {f"model.layers.{i}.mlp.{name}" for i in (1, 2) for name in names}


def test_a_run_goes_on_with_the_same_model_corpus_and_precision_alone(world: World, tmp_path: Path):
    values, run = {"tokens": 4 * 128, "packing": "best_fit"}, tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(world, run, Interrupt(1), **values)
    checkpoint = checkpoint_path(run / "checkpoints", 2)
    model = shutil.copytree(world.hybrid, tmp_path / "hybrid")
    corpus = shutil.copytree(world.corpus, tmp_path / "corpus")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(OutputError, match="started from another model"):
        train(replace(world, hybrid=model), run, **values)
    index = next((corpus / "tokens" / "train" / "rust").glob("*.ds.index"))
    ends = np.fromfile(index, np.uint64)
    ends[0] += np.uint64(1)
    ends.tofile(index)
    with pytest.raises(OutputError, match="is of a run that read another corpus"):
        train(replace(world, corpus=corpus), run, **values)
    noted = json.loads((checkpoint / "run.json").read_text())
    for change, told in [
        ({"quantise": "nf4"}, "of a run with train.quantise nf4; go on with the same"),
        ({"compute_dtype": "bfloat16"}, "a run that computed in bfloat16, but train.compute_dtype means float32 on"),
    ]:
        (checkpoint / "run.json").write_text(json.dumps(noted | change))
        with pytest.raises(OutputError, match=told):
            train(world, run, **values)
    (checkpoint / "run.json").write_text(json.dumps(noted))
    with pytest.raises(OutputError, match="holds other parameters than this run trains"):
        load_trained(load_dense(world.base), checkpoint)
    with pytest.raises(OutputError, match="is missing"):
        load_trained(load_hybrid(world.hybrid), checkpoint.with_name("checkpoint-7"))
    result = train(world, run, **values)
    assert (result.steps, result.data["packing"]) == (4, "best_fit")


def test_space_for_checkpoints_and_model_is_asked_for_before_training(world: World, tmp_path, monkeypatch):
    model = load_hybrid(world.hybrid)
    prepare(model, world.recipe)
    num_trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    # Weights and two moments; in each of two layers three thresholds, three biases and a mean of 32 values.
    one = 3 * 4 * num_trained + 2 * (6 + 32) * 4
    free = SimpleNamespace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    for values, num in [
        ({}, 3),
        ({"save_every_steps": 6, "save_every_minutes": None}, 2),
        ({"keep_best": True, "eval_every_steps": 6}, 4),
    ]:
        recipe = with_train(world.recipe, **values)  # 12 steps, the last 2 kept
        free.free = num * one + 1000
        require_checkpoint_space(TrainingSetup.of(recipe), model, tmp_path / "checkpoints", 1000)
        free.free -= 1
        with pytest.raises(OutputError, match="free some space"):
            require_checkpoint_space(TrainingSetup.of(recipe), model, tmp_path / "checkpoints", 1000)
    free.free = 1000
    with pytest.raises(OutputError, match="free some space"):
        train(world, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    free.free = 0
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "optimizer.pt").write_bytes(bytes(10_000_000))  # of a run to go on with
    require_checkpoint_space(TrainingSetup.of(world.recipe), model, tmp_path / "checkpoints", 1000)


def test_full_disk_in_a_save_leaves_the_checkpoint_before_it(run: Run, world: World, tmp_path, monkeypatch):
    original, calls = ordered_trainer.write_json, []  # after all else is written

    def full(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(ordered_trainer, "write_json", full)
        with pytest.raises(OutputError, match="checkpoint-5 is whole: free some space or mend the disk, and go on"):
            train(world, tmp_path)
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {"checkpoint-5", "cost.json", "rising_loss.json"}
    resumed = train(world, tmp_path)
    assert changed(resumed.model_folder, run.result.model_folder) == set()


def test_what_the_disk_refuses_is_told_in_its_own_words(tmp_path: Path):
    error = OSError(errno.EROFS, "of the disk")
    with pytest.raises(DiskError, match="there is no checkpoint yet"), full_disk_explained(tmp_path):
        raise error
    _folders(tmp_path, 5)
    words = re.escape(f"cannot be written ({os.strerror(errno.EROFS)}); {tmp_path / 'checkpoint-5'} is whole")
    with pytest.raises(DiskError, match=words), full_disk_explained(tmp_path), staged_folder(tmp_path / "model"):
        raise error


def test_other_failures_stay_what_they_are(tmp_path: Path):
    for error in (OSError(errno.EACCES, "denied"), RuntimeError("shape mismatch")):
        with pytest.raises(type(error), match=str(error.args[-1])), full_disk_explained(tmp_path):
            raise error
