"""Steps that must not reach the weights: a loss or gradient that is not finite, or a loss far above the usual."""

import math
import statistics
from collections import deque
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.model.statistics import LayerStatistics
from multipl_moe.recipe.training import TrainSection

_WINDOW_STEPS = 50
_LEAST_STEPS = 5
_MOST_IN_A_ROW = 10


class BadStepGuard:
    """Judges each step before the optimiser takes it, and counts those that were skipped.

    A spike is a loss above `train.spike_factor` times the median of the last 50 good steps, once there are 5.

    Attributes:
        num_skipped: steps skipped so far.
        num_in_a_row: of them, those since the last good step.
    """

    def __init__(self, train: TrainSection) -> None:
        self.num_skipped = self.num_in_a_row = 0
        self._may_skip = train.on_bad_step == "skip"
        self._spike_factor = train.spike_factor
        self._losses: deque[float] = deque(maxlen=_WINDOW_STEPS)

    def judge(self, loss: float, grad_norm: float) -> str | None:
        """What is wrong with a step, in words; None takes note of a good one."""
        problem = self._problem(loss, grad_norm)
        if problem is None:
            self._losses.append(loss)
            self.num_in_a_row = 0
        return problem

    def skip(self) -> bool:
        """Whether the bad step may be skipped, which is then counted; not when there were too many in a row."""
        if not self._may_skip or self.num_in_a_row >= _MOST_IN_A_ROW:
            return False
        self.num_skipped += 1
        self.num_in_a_row += 1
        return True

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, JSON-ready."""
        return {"skipped": self.num_skipped, "in_a_row": self.num_in_a_row, "losses": list(self._losses)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.num_skipped, self.num_in_a_row = state["skipped"], state["in_a_row"]
        self._losses.extend(state["losses"])

    def _problem(self, loss: float, grad_norm: float) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(grad_norm):
            return f"the gradient's norm is {grad_norm} (loss {loss:.3f})"
        if self._spike_factor is None or len(self._losses) < _LEAST_STEPS:
            return None
        median = statistics.median(self._losses)
        if loss <= self._spike_factor * median:
            return None
        return f"the loss is {loss:.3f}, {loss / median:.1f} times its running median"


class StepRecord:
    """What a step has read and moved so far: inputs and loss of each pass, what its routers would follow and show."""

    def __init__(self, model: nn.Module) -> None:
        self.batches: list[dict[str, Tensor]] = []
        self.losses: list[Tensor] = []
        self._layers = hybrid_layers_of(model).values()
        observers = [layer.observer for layer in self._layers]
        self._forget_observed = [seen.mark() for seen in observers if isinstance(seen, LayerStatistics)]

    def forget_routing(self) -> None:
        """Let what routers choose by, and router health, follow nothing of it: it may be no numbers."""
        for layer in self._layers:
            layer.forget_noted()
        for forget in self._forget_observed:
            forget()

    def save(self, file: Path) -> None:
        """Write the rows of all batches, one after another."""
        rows = {key: torch.cat([batch[key] for batch in self.batches]).cpu() for key in self.batches[0]}
        partial = file.with_name(f".{file.name}.partial")
        save_file(rows, partial)
        partial.replace(file)
