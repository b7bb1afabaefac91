"""Whole training runs of two processes over gloo: equal to one process at the same global batch, whole or sharded.

Seen to fail without `over_ranks` in train/loop.py, and without `over` in train/progress.py.
"""

import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.runs.journal import read_journal
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_model
from tests.distributed import run_processes
from tests.train.conftest import changed
from tests.train.tiny import World, assert_close, tensors, with_train

pytestmark = pytest.mark.extended


@dataclass
class _Notes(TrainerCallback):
    """What a run tells, also of each step; asks for a stop before one of them where `stop` says so."""

    stop: tuple[int, int] | None = None  # rank, step
    losses: list[float] = field(default_factory=list)
    held_out_losses: list[float] = field(default_factory=list)
    thresholds: list[torch.Tensor] = field(default_factory=list)
    sharded: bool = False
    frozen_sha256: str | None = None

    def on_step_begin(self, args, state, control, **kwargs):
        if self.stop == (args.process_index, state.global_step):
            os.kill(os.getpid(), signal.SIGINT)

    def on_step_end(self, args, state, control, **kwargs):
        self.sharded = all(isinstance(parameter, DTensor) for parameter in kwargs["model"].parameters())
        layers = hybrid_layers_of(kwargs["model"]).values()
        self.thresholds.append(torch.stack([layer.segment_threshold.clone() for layer in layers]))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])
        if logs and "eval_loss" in logs:
            self.held_out_losses.append(logs["eval_loss"])


@dataclass(frozen=True)
class _Job:
    """A run: its settings, and where it is stopped."""

    train: dict[str, Any]
    stop: tuple[int, int] | None = None
    folder: str | None = None  # of an earlier job, to go on in


def _steps(count: int, rows: int, **train: Any) -> dict[str, Any]:
    """Settings of so many steps of so many rows a process; the tokens are those of both processes' four rows."""
    accumulation = train.get("accumulation_steps", 1)
    tokens = count * 4 * 32 * accumulation
    return train | {"tokens": tokens, "batch_sequences": rows, "log_every_steps": 1, "learning_rate": 2e-3}


_SHORT = _steps(10, 2)
_ACCUMULATED = _steps(6, 2, accumulation_steps=2, gradient_checkpointing=True)
_BFLOAT16 = _SHORT | {"compute_dtype": "bfloat16", "eval_every_steps": 5, "eval_tokens": 512}
_JOBS = {
    "accumulated": _Job(_ACCUMULATED),
    "sharded-accumulated": _Job(_ACCUMULATED | {"distribution": "fsdp2"}),
    "ddp": _Job(_SHORT),
    "fsdp2": _Job(_SHORT | {"distribution": "fsdp2"}),
    "bfloat16": _Job(_BFLOAT16),
    "sharded-bfloat16": _Job(_BFLOAT16 | {"distribution": "fsdp2"}),
    "stopped": _Job(_SHORT, stop=(1, 3)),
    "resumed": _Job(_SHORT, folder="stopped"),
    "sharded-stopped": _Job(_SHORT | {"distribution": "fsdp2"}, stop=(1, 3)),
    "sharded-resumed": _Job(_SHORT | {"distribution": "fsdp2"}, folder="sharded-stopped"),
}


def _run(job: _Job, world: World, folder: Path) -> _Notes:
    recipe, notes = with_train(world.recipe, **job.train), _Notes(job.stop)
    folder.mkdir(exist_ok=True)
    with (
        TrainingProgress(folder, tokens_per_step(recipe.train), Console(quiet=True)) as progress,
        suppress(KeyboardInterrupt),
    ):
        result = train_model(recipe, world.hybrid, world.corpus, folder, callbacks=[notes, progress])
        notes.frozen_sha256 = result.frozen_sha256
    return notes


def _all_jobs(world: World, folder: Path) -> dict[str, _Notes]:
    return {name: _run(job, world, folder / (job.folder or name)) for name, job in _JOBS.items()}


@pytest.fixture(scope="module")
def decided(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world with a hybrid whose experts differ and whose routers are decided.

    While experts are copies, the gradient of a segment router is nothing but rounding, of which Adam makes steps.
    """
    folder = tmp_path_factory.mktemp("decided") / "hybrid"
    shutil.copytree(world.hybrid, folder)
    model, generator = load_hybrid(folder), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("router.weight"):
                parameter.copy_(2 * noise / parameter.shape[-1] ** 0.5)
            elif ".mlp.experts." in name:
                parameter.add_(0.5 * parameter.std() * noise)
    model.save_pretrained(folder)
    return replace(world, hybrid=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def of_two(decided: World, folder: Path) -> list[dict[str, _Notes]]:
    return run_processes(_all_jobs, decided, folder)


def _of_one(name: str, world: World, folder: Path) -> _Notes:
    job = _JOBS[name]
    return _run(_Job(job.train | {"batch_sequences": 2 * job.train["batch_sequences"]}), world, folder)


@pytest.mark.parametrize("name", ["ddp", "accumulated"])
def test_two_processes_train_as_one_at_the_same_global_batch(name, decided, folder, tmp_path, of_two):
    one = _of_one(name, decided, tmp_path / "one")
    for two in of_two:
        assert len(two[name].losses) == {"ddp": 10, "accumulated": 6}[name]
        assert two[name].losses == pytest.approx(one.losses, abs=1e-4)
        torch.testing.assert_close(two[name].thresholds, one.thresholds, rtol=0, atol=1e-6)
        assert two[name].frozen_sha256 == one.frozen_sha256
    assert_close(folder / name / "model", tmp_path / "one" / "model", atol=1e-4)
    lines, expected = (read_journal(run / "metrics.jsonl") for run in (folder / name, tmp_path / "one"))
    assert [line["tokens"] for line in lines] == [line["tokens"] for line in expected]
    for line, other in zip(lines, expected, strict=True):
        for index, layer in other["routers"].items():
            for key, value in layer.items():
                assert line["routers"][index][key] == pytest.approx(value, abs=1e-4), (line["step"], key)


@pytest.mark.parametrize(("name", "whole"), [("fsdp2", "ddp"), ("sharded-accumulated", "accumulated")])
def test_sharded_processes_train_as_whole_ones(name: str, whole: str, decided: World, folder: Path, of_two):
    for two in of_two:
        assert two[name].sharded
        assert not two[whole].sharded
        assert two[name].losses == pytest.approx(two[whole].losses, abs=1e-5)
        torch.testing.assert_close(two[name].thresholds, two[whole].thresholds, rtol=0, atol=1e-6)
        assert two[name].frozen_sha256 == two[whole].frozen_sha256
    assert_close(folder / name / "model", folder / whole / "model", atol=1e-5)
    ours, start = tensors(folder / name / "model"), tensors(decided.hybrid)
    assert all(torch.equal(tensor, start[key]) for key, tensor in ours.items() if ".shared_expert." in key)
    assert load_hybrid(folder / name / "model").hybrid_layers


def test_in_bfloat16_two_processes_train_as_one_to_its_rounding(decided: World, folder: Path, tmp_path, of_two):
    one = _of_one("bfloat16", decided, tmp_path / "one")
    for two in of_two:
        for name in ("bfloat16", "sharded-bfloat16"):
            ours = two[name]
            assert ours.losses == pytest.approx(one.losses, abs=5e-3)
            assert ours.held_out_losses == pytest.approx(one.held_out_losses, abs=5e-3)
            assert len(ours.held_out_losses) == 2
            torch.testing.assert_close(ours.thresholds, one.thresholds, rtol=0, atol=3e-3)
            assert ours.frozen_sha256 == one.frozen_sha256
            assert ours.losses != two["ddp"].losses
        assert two["sharded-bfloat16"].sharded
        assert two["sharded-bfloat16"].losses == pytest.approx(two["bfloat16"].losses, abs=1e-3)
    start, learnt = tensors(decided.hybrid), trained_names(load_hybrid(decided.hybrid))
    for name in ("bfloat16", "sharded-bfloat16"):
        ours, theirs = tensors(folder / name / "model"), tensors(tmp_path / "one" / "model")
        assert {key: tensor.dtype for key, tensor in ours.items()} == {key: t.dtype for key, t in theirs.items()}
        for key, tensor in ours.items():
            if key in learnt:
                moved, off = (tensor - start[key]).norm(), (tensor - theirs[key]).norm()
                assert off < 0.1 * moved, key
            elif not key.endswith(FLOAT32_BUFFERS):
                assert torch.equal(tensor, start[key]), key


@pytest.mark.parametrize("kind", ["", "sharded-"])
def test_ctrl_c_in_one_process_stops_both_at_the_same_step_and_they_go_on(kind: str, folder: Path, of_two):
    whole = "fsdp2" if kind else "ddp"
    for two in of_two:
        assert len(two[f"{kind}stopped"].losses) == 4
        assert two[f"{kind}stopped"].frozen_sha256 is None
        assert two[f"{kind}resumed"].losses == two[whole].losses[4:]
    assert changed(folder / f"{kind}stopped" / "model", folder / whole / "model") == set()


def test_only_the_main_process_writes(folder: Path, of_two):
    names = {path.name for path in (folder / "ddp").iterdir()}
    assert names == {"model", "training.json", "metrics.jsonl", "recipe.yaml", "environment.json"}
    steps = [json.loads(line)["step"] for line in (folder / "ddp" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 11))
