"""A loss that rises over the first steps, which tells that the learning rate is too high for what is trained."""

import math
from statistics import fmean, variance
from typing import Any

_FEWEST_FIRST, _LAST = 4, 8  # steps whose losses are compared
_WATCHED = 100  # steps; later a rise has other causes
_ERRORS = 3  # standard errors of the difference, from which on it is no noise of the batches


class RisingLoss:
    """Compares the losses of the last steps with those of the first, in which the rate was still low.

    Attributes:
        warning: what it said, once; None as long as nothing rose.
    """

    def __init__(self, warmup_steps: int) -> None:
        self.warning: str | None = None
        self._num_first = max(warmup_steps, _FEWEST_FIRST)
        self._losses: list[float] = []

    def shows(self, loss: float) -> bool:
        """Take note of a step's loss; True where it is this one that shows a rise."""
        if self.warning is not None or len(self._losses) >= self._num_first + _WATCHED:
            return False
        self._losses.append(loss)
        first, last = self._losses[: self._num_first], self._losses[self._num_first :][-_LAST:]
        if len(last) < _LAST:
            return False
        rise = fmean(last) - fmean(first)
        error = math.sqrt(variance(first) / len(first) + variance(last) / len(last))
        if rise <= _ERRORS * error:
            return False
        self.warning = (
            f"the loss rises: {fmean(last):.3f} on the mean of the last {_LAST} of {len(self._losses)} steps, "
            f"{fmean(first):.3f} of the first {len(first)}; start anew with a lower train.learning_rate, or with auto, "
            "which finds one"
        )
        return True

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, JSON-ready."""
        return {"warning": self.warning, "losses": self._losses}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.warning, self._losses = state["warning"], state["losses"]
