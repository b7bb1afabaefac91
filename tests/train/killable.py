"""Training in processes of their own, which can be killed."""

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train import ordered_trainer
from multipl_moe.train.trainer import train_model
from tests.distributed import start_processes


@dataclass(frozen=True)
class Job:
    """A training run.

    Attributes:
        seen: file for the token ids that it reads, one more for each further process.
    """

    recipe: Recipe
    model: Path
    corpus: Path
    output: Path
    seen: Path | None = None


class Death(TrainerCallback):
    """SIGKILL at a moment of a step: `step` after it, `saving` in the middle of a save, `saved` right after its rename.

    A step that saves nothing is survived to the next one that does.
    """

    def __init__(self, moment: str, step: int) -> None:
        self.moment, self.step = moment, step

    def install(self) -> None:
        if self.moment == "saving":
            self._before(
                ordered_trainer.OrderedTrainer, "_save_rng_state", lambda trainer, folder: trainer.state.global_step
            )
        if self.moment == "saved":
            self._before(ordered_trainer, "remove_checkpoints", lambda folder, kept: max(kept))

    def on_step_end(self, args, state, control, **kwargs):
        if self.moment == "step" and state.global_step >= self.step:
            _die()

    def _before(self, owner: Any, name: str, step_of: Callable[..., int]) -> None:
        original = getattr(owner, name)

        def dying(*args: Any) -> Any:
            return _die() if step_of(*args) >= self.step else original(*args)

        setattr(owner, name, dying)


def start(job: Job, death: Death | None = None, num_processes: int = 1) -> Sequence[BaseProcess]:
    return start_processes(_train, [(job, death, rank) for rank in range(num_processes)])


def exit_codes(processes: Sequence[BaseProcess], timeout_s: float = 300) -> list[int | None]:
    """Exit codes at their end; minus the signal where one killed them. The failure of one kills the others."""
    deadline = time.monotonic() + timeout_s
    while any(process.is_alive() for process in processes) and time.monotonic() < deadline:
        if any(process.exitcode for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.01)
    return [process.exitcode for process in processes]


def wait_for(file: Path, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not come"
        time.sleep(0.01)


def _train(job: Job, death: Death | None, rank: int) -> None:
    if death is not None:
        death.install()
    if job.seen is not None:
        _note_ids(job.seen.with_suffix(f".{rank}"))
    train_model(job.recipe, job.model, job.corpus, job.output, callbacks=[] if death is None else [death])


def _note_ids(file: Path) -> None:
    """Append, for each forward pass of training, the number of steps before it and the rows of token ids it reads."""
    training_step = ordered_trainer.OrderedTrainer.training_step

    def noting(trainer: Any, model: Any, inputs: dict[str, Any], *args: Any) -> Any:
        with file.open("a") as stream:
            stream.write(json.dumps([trainer.state.global_step, inputs["input_ids"].tolist()]) + "\n")
        return training_step(trainer, model, inputs, *args)

    setattr(ordered_trainer.OrderedTrainer, "training_step", noting)  # noqa: B010 (pyright: it is a method)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
