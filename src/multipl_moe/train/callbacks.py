"""What a training run does beside training: stops cleanly, keeps thresholds whole in checkpoints, and keeps time."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from multipl_moe.launch import is_main
from multipl_moe.model.modeling import hybrid_layers_of
from multipl_moe.run_folder import read_json, write_json
from multipl_moe.train.processes import any_process

INTERRUPT_NOTE = "finishing this step and saving; Ctrl-C again stops at once"


class StopOnInterrupt(TrainerCallback):
    """Turns Ctrl-C into: finish this step, save a checkpoint, stop. A second Ctrl-C stops at once.

    It listens while it is entered, as a context manager. Of several processes all stop at the same step.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._on_request = on_request
        self._previous: Any = None

    def __enter__(self) -> "StopOnInterrupt":
        self._previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def on_step_end(self, args, state, control, **kwargs):
        """Save and stop when asked to, in this process or in another."""
        self.requested = any_process(self.requested)
        if self.requested:
            control.should_save = control.should_training_stop = True

    def _request(self, signum, frame) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._on_request()


class AbsorbThresholds(TrainerCallback):
    """Moves the stored segment thresholds at the end of a step, so that a checkpoint holds nothing pending."""

    def on_step_end(self, args, state, control, **kwargs):
        """Absorb the last batch's quantiles."""
        for layer in hybrid_layers_of(kwargs["model"]).values():
            layer.absorb_batch_threshold()


class TrainingClock(TrainerCallback):
    """Seconds of training, summed over the sessions of an interrupted run."""

    def __init__(self, checkpoints: Path) -> None:
        self.file = checkpoints / "clock.json"
        self.seconds = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        """Go on from the time noted with the checkpoint."""
        noted = read_json(self.file) if self.file.is_file() else {}
        self._before = noted.get(str(state.global_step), 0.0)
        self._begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        """Count."""
        self.seconds = self._before + time.perf_counter() - self._begin

    def on_save(self, args, state, control, **kwargs):
        """Note the time with the checkpoint."""
        if not is_main():
            return
        noted = read_json(self.file) if self.file.is_file() else {}
        write_json(self.file, noted | {str(state.global_step): self.seconds})
