"""What a training run does beside training: stops cleanly, saves when asked to, counts time and memory."""

import math
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from multipl_moe.errors import Preempted
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.allocator import give_back_freed_memory
from multipl_moe.system.launch import ending_signals, is_main, leave_terminal
from multipl_moe.train.processes import any_process

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)
INTERRUPT_NOTE = "finishing this step and saving; Ctrl-C again stops at once"


class StopOnInterrupt(TrainerCallback):
    """Turns Ctrl-C, SIGTERM and SIGHUP into: finish this step, save a checkpoint, stop. A second Ctrl-C stops at once.

    It listens while it is entered, as a context manager. Of several processes all stop at the same step.

    Attributes:
        preempted: whether it was another signal than Ctrl-C's that asked for it.
    """

    def __init__(self, on_request: Callable[[], object] = lambda: None) -> None:
        self.requested = self.preempted = False
        self._signal = signal.SIGTERM.name
        self._on_request = on_request
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopOnInterrupt":
        self._previous = {name: signal.signal(name, self._request) for name in (signal.SIGINT, *ending_signals())}
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
            raise Preempted(self._signal)
        if self.requested:
            raise KeyboardInterrupt

    def on_step_end(self, args, state, control, **kwargs):
        """Save and stop when asked to, in this process or in another."""
        if self.agree():
            control.should_save = control.should_training_stop = True

    def _request(self, signum, frame) -> None:
        leave_terminal(signum)
        if signum != signal.SIGINT:
            self.preempted, self._signal = True, signal.Signals(signum).name
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


class SaveByTime(TrainerCallback):
    """Saves a checkpoint where the last one is so many minutes old, by the clock of one process for all of them."""

    def __init__(self, minutes: float | None) -> None:
        self._seconds = math.inf if minutes is None else 60 * minutes

    def on_train_begin(self, args, state, control, **kwargs):
        """Count from here."""
        self._saved_at = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs):
        """Save if it is time."""
        if self._seconds < math.inf and any_process(is_main() and time.monotonic() - self._saved_at >= self._seconds):
            control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        """Count anew."""
        self._saved_at = time.monotonic()


@dataclass(frozen=True)
class TrainingCost:
    """What the training loop took, over all sessions of an interrupted run.

    Attributes:
        processor_s: seconds of processor time of this process, all threads together.
        peak_bytes: what the function of this name tells.
    """

    seconds: float = 0.0
    processor_s: float = 0.0
    peak_bytes: int | None = None


class TrainingClock(TrainerCallback):
    """Counts what training costs."""

    def __init__(self, checkpoints: Path) -> None:
        self.file = checkpoints / "cost.json"
        self.cost = TrainingCost()

    def on_train_begin(self, args, state, control, **kwargs):
        """Go on from what was noted with the checkpoint."""
        noted = {int(step): cost for step, cost in self._noted().items() if int(step) <= state.global_step}
        self._before = TrainingCost(**noted[max(noted)]) if noted else TrainingCost()
        self._begin, self.cost = (time.perf_counter(), time.process_time()), self._before
        begin_peak()

    def on_step_end(self, args, state, control, **kwargs):
        """Count."""
        self.cost = TrainingCost(
            self._before.seconds + time.perf_counter() - self._begin[0],
            self._before.processor_s + time.process_time() - self._begin[1],
            max((peak for peak in (self._before.peak_bytes, peak_bytes()) if peak is not None), default=None),
        )

    def on_save(self, args, state, control, **kwargs):
        """Note it with the checkpoint."""
        if is_main():
            write_json(self.file, self._noted() | {str(state.global_step): asdict(self.cost)})

    def _noted(self) -> dict[str, Any]:
        return read_json(self.file) if self.file.is_file() else {}


def begin_peak() -> None:
    """Count anew, where the system lets a process do so: else the peak is that of all before too.

    What was freed before goes back to the system first: `keep_freed_memory` would have it counted again.
    """
    give_back_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)


def peak_bytes() -> int | None:
    """Most bytes held since `begin_peak`: of the GPU where there is one, else resident ones; None off Linux.

    getrusage's count would begin with that of the process that started this one.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
