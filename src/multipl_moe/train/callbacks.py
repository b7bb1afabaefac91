"""What a training run does beside training: stops cleanly, saves when asked to, keeps time."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from multipl_moe.errors import Preempted
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.launch import is_main
from multipl_moe.train.processes import any_process

INTERRUPT_NOTE = "finishing this step and saving; Ctrl-C again stops at once"


class StopOnInterrupt(TrainerCallback):
    """Turns Ctrl-C and SIGTERM into: finish this step, save a checkpoint, stop. A second Ctrl-C stops at once.

    It listens while it is entered, as a context manager. Of several processes all stop at the same step.

    Attributes:
        requested: whether to stop.
        preempted: whether it was SIGTERM that asked for it.
    """

    def __init__(self, on_request: Callable[[], object] = lambda: None) -> None:
        self.requested = self.preempted = False
        self._on_request = on_request
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopOnInterrupt":
        self._previous = {name: signal.signal(name, self._request) for name in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for name, handler in self._previous.items():
            signal.signal(name, handler)

    def agree(self) -> bool:
        """Whether any process was asked to stop; all learn of it, and every one must ask.

        What comes in the meantime stays noted in its process, for the next time.
        """
        stops, preempts = any_process(self.requested), any_process(self.preempted)
        if preempts:
            self.preempted = True
        if stops:
            self.requested = True
        return stops

    def raise_if_asked(self) -> None:
        """Raise Preempted or KeyboardInterrupt where any process was asked to stop, also after the last step.

        One process alone must not stop while others go on.
        """
        self.agree()
        if self.preempted:
            raise Preempted
        if self.requested:
            raise KeyboardInterrupt

    def on_step_end(self, args, state, control, **kwargs):
        """Save and stop when asked to, in this process or in another."""
        if self.agree():
            control.should_save = control.should_training_stop = True

    def _request(self, signum, frame) -> None:
        if signum == signal.SIGTERM:
            self.preempted = True
        elif self.requested:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            self._on_request()


class FollowSettings(TrainerCallback):
    """A resumed run saves as its recipe says now; the Trainer takes over how often from the checkpoint."""

    def on_train_begin(self, args, state, control, **kwargs):
        """Take the number of steps between checkpoints from the settings."""
        state.compute_steps(args, state.max_steps)


class TrainingClock(TrainerCallback):
    """Seconds of training, summed over the sessions of an interrupted run."""

    def __init__(self, checkpoints: Path) -> None:
        self.file = checkpoints / "clock.json"
        self.seconds = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        """Go on from the time noted with the checkpoint."""
        noted = read_json(self.file) if self.file.is_file() else {}
        self._before = max((time for step, time in noted.items() if int(step) <= state.global_step), default=0.0)
        self._begin, self.seconds = time.perf_counter(), self._before

    def on_step_end(self, args, state, control, **kwargs):
        """Count."""
        self.seconds = self._before + time.perf_counter() - self._begin

    def on_save(self, args, state, control, **kwargs):
        """Note the time with the checkpoint."""
        if not is_main():
            return
        noted = read_json(self.file) if self.file.is_file() else {}
        write_json(self.file, noted | {str(state.global_step): self.seconds})
