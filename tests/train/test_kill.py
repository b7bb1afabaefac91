"""kill -9 and SIGTERM, in processes of their own: nothing is lost, and the rest of the run is the same bit for bit."""

import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from multipl_moe import cli
from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.checkpoints import saved_checkpoints
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.trainer import train_model
from tests.distributed import start_processes
from tests.train.conftest import RUN_FILES, changed
from tests.train.killable import Death, Job, exit_codes, start, wait_for
from tests.train.tiny import World, gated_hybrid, tensors, with_train

_SAVING = {"save_every_steps": 2, "eval_every_steps": 3, "eval_tokens": 256, "keep_best": True}


class EndState(TrainerCallback):
    """What a run holds after its last step, besides weights."""

    def on_train_end(self, args, state, control, **kwargs):
        optimizer = kwargs["optimizer"].state_dict()["state"]
        self.moments = [moment for parameter in optimizer.values() for moment in parameter.values()]
        self.thresholds = [layer.segment_threshold.clone() for layer in hybrid_layers_of(kwargs["model"]).values()]
        self.schedule = kwargs["lr_scheduler"].state_dict()
        self.random = [torch.get_rng_state(), torch.tensor(list(random.getstate()[1]))]
        self.best = (state.best_global_step, state.best_metric)


def _job(recipe: Recipe, world: World, output: Path) -> Job:
    return Job(recipe, world.hybrid, world.corpus, output)


def _finish(job: Job) -> tuple[TrainResult, EndState]:
    end = EndState()
    return train_model(job.recipe, job.model, job.corpus, job.output, callbacks=[end]), end


def assert_same_run(ours: tuple[TrainResult, EndState], theirs: tuple[TrainResult, EndState]) -> None:
    """Model, optimiser, thresholds, schedule, random state and best step are equal to the last bit."""
    weights, others = (tensors(result.model_folder) for result, _ in (ours, theirs))
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert ours[0].frozen_sha256 == theirs[0].frozen_sha256
    for key in ("moments", "thresholds", "random"):
        pairs = list(zip(getattr(ours[1], key), getattr(theirs[1], key), strict=True))
        assert pairs or key == "thresholds"  # only routing has them
        assert all(torch.equal(mine, other) for mine, other in pairs), key
    assert ours[1].schedule == theirs[1].schedule
    assert ours[1].best == theirs[1].best
    assert ours[0].best_step == theirs[0].best_step


_MOMENTS = ("step", "saving", "saved", "time", "time")


def kill(job: Job, seed: int, moments: Sequence[str] = _MOMENTS, num_processes: int = 1) -> None:
    """Start a run of 24 steps, saved every 2, again and again; it dies each time, and before its end.

    It dies at random steps, after the step, in a save or after it, or after a random `time`, or at a random step if
    that is sooner.
    """
    rng = random.Random(seed)
    steps = sorted(rng.sample(range(2, 20), len(moments)))
    for moment, step in zip(rng.sample(moments, len(moments)), steps, strict=True):
        processes = start(job, Death("step" if moment == "time" else moment, step), num_processes)
        if moment == "time":
            wait_for(job.output / "checkpoints")
            time.sleep(rng.uniform(0, 1.5))
            for process in processes:
                process.kill()
        codes = exit_codes(processes)
        assert -signal.SIGKILL in codes
        assert 0 not in codes
    assert saved_checkpoints(job.output / "checkpoints")


@pytest.mark.parametrize("kind", ["gated", pytest.param("routed", marks=pytest.mark.extended)])
def test_run_killed_five_times_equals_the_unbroken_run_bit_for_bit(world: World, tmp_path: Path, kind: str):
    if kind == "gated":  # the default; what is dropped is drawn anew in each step
        recipe = gated_hybrid(world, tmp_path / "hybrid", {"preset": "pack", "rank": 4, "alpha": 4.0})
        world = replace(world, recipe=recipe, hybrid=tmp_path / "hybrid")
    recipe = with_train(world.recipe, tokens=24 * 128, **_SAVING)
    whole = _finish(_job(recipe, world, tmp_path / "whole"))
    broken = _job(recipe, world, tmp_path / "broken")
    kill(broken, seed=5)
    assert_same_run(_finish(broken), whole)
    assert {path.name for path in broken.output.iterdir()} == RUN_FILES


@pytest.mark.extended
def test_two_processes_killed_twice_end_with_the_weights_of_two_that_were_not(world: World, tmp_path: Path):
    """Tensors only: what else a run holds stays within its processes."""
    recipe = with_train(world.recipe, tokens=24 * 2 * 64, batch_sequences=2, keep_checkpoints=2, save_every_steps=2)
    whole, broken = (_job(recipe, world, tmp_path / name) for name in ("whole", "broken"))
    assert exit_codes(start(whole, num_processes=2)) == [0, 0]
    kill(broken, seed=7, moments=("saving", "time"), num_processes=2)
    assert exit_codes(start(broken, num_processes=2)) == [0, 0]
    assert changed(whole.output / "model", broken.output / "model") == set()


@pytest.mark.extended
@pytest.mark.parametrize("method", ["lora", "dense"])
def test_kill_in_a_save_leaves_the_checkpoint_before_it(world: World, tmp_path: Path, method: str):
    recipe = with_train(world.recipe, method=method, tokens=6 * 128, save_every_steps=2)
    whole, broken = (Job(recipe, world.base, world.corpus, tmp_path / name) for name in ("whole", "broken"))
    assert exit_codes(start(broken, Death("saving", 4))) == [-signal.SIGKILL]
    assert {path.name for path in (broken.output / "checkpoints").iterdir()} == {
        "checkpoint-2",
        ".checkpoint-4.partial",
        "cost.json",
        "rising_loss.json",
    }
    assert_same_run(_finish(broken), _finish(whole))


def _command(arguments: list[str], ready: Path, sent: Path, errors: Path) -> None:
    """The command line, held at its third step until the signal was sent."""
    original = TrainingProgress.on_step_end

    def held(self: Any, args, state, control, **kwargs) -> None:
        original(self, args, state, control, **kwargs)
        if state.global_step == 3:
            ready.touch()
            wait_for(sent)

    TrainingProgress.on_step_end = held
    sys.argv = ["multipl-moe", *arguments]
    with errors.open("w") as sys.stderr:
        cli.main()


@pytest.mark.extended
def test_sigterm_saves_and_exits_with_a_code_to_requeue_on(world: World, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(world.recipe.to_yaml())
    output, ready, sent = (tmp_path / name for name in ("run", "ready", "sent"))
    arguments = ["train", str(world.hybrid), str(world.corpus), str(output), "--recipe", str(tmp_path / "recipe.yaml")]
    (process,) = start_processes(_command, [(arguments, ready, sent, tmp_path / "errors")])
    wait_for(ready)
    process.terminate()
    sent.touch()
    assert exit_codes([process]) == [75]
    told = " ".join((tmp_path / "errors").read_text().split())
    assert told.endswith("stopped by SIGTERM; the same command with --resume goes on from the last checkpoint")
    assert list(saved_checkpoints(output / "checkpoints")) == [4]
    assert not (output / "model").exists()
    whole = _finish(_job(world.recipe, world, tmp_path / "whole"))
    resumed = start_processes(_command, [([*arguments, "--resume"], ready, sent, tmp_path / "errors")])
    assert exit_codes(resumed) == [0]
    assert changed(output / "model", whole[0].model_folder) == set()
