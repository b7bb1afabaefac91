"""A loss that rises over the first steps, which tells that the learning rate is too high for what is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import TrainerCallback

from multipl_moe.model.statistics import in_evaluation
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.launch import is_main
from multipl_moe.train.held_out import mean_loss
from multipl_moe.train.setup import TrainingSetup

_SEQUENCES = 4  # of the run's first ones
_PLACES = 256  # tokens of each, from its beginning
_STEPS_IN_WARM_UP = [16 * 2**power for power in range(16)]
_STEPS_AFTER_WARM_UP = (4, 12, 36)
_RISE = 0.02  # of the loss at the start


class RisingLoss(TrainerCallback):
    """Measures the loss on the run's first text before it is learnt, and again in warm-up and a few steps after it.

    It is the same text, so batches bring no noise, and text that is learnt: a loss above its start is no chance. That
    holds in warm-up, too, whose rates are below the one that is to come: what rises there rises all the more at that.
    So it is compared with the start each time, at first after 16 steps, of which warm-up has hundreds in a long run,
    and then whenever their number has doubled. It is routed as in evaluation, and nothing of training changes.

    Args:
        dataset: what the run reads, from its beginning.
        checkpoints: folder where the loss at the start is kept for a resumed run.
        tell: takes the warning, once, in the main process.

    Attributes:
        warning: what was told; None as long as nothing rose.
    """

    def __init__(
        self, dataset: Dataset, setup: TrainingSetup, checkpoints: Path, tell: Callable[[str], object]
    ) -> None:
        self.warning: str | None = None
        self._dataset: Any = dataset
        self._file, self._tell = checkpoints / "rising_loss.json", tell
        self._steps = {step for step in _STEPS_IN_WARM_UP if step < setup.warmup_steps}
        self._steps |= {setup.warmup_steps + steps for steps in _STEPS_AFTER_WARM_UP}

    def on_train_begin(self, args, state, control, **kwargs):
        """Measure, or read what was measured when the run began."""
        if state.global_step == 0:
            self._start = self._loss(kwargs["model"])
            self._note()
        else:
            noted = read_json(self._file)
            self._start, self.warning = noted["start"], noted["warning"]

    def on_step_end(self, args, state, control, **kwargs):
        """Measure again after some of the steps, and warn once."""
        if self.warning is not None or state.global_step not in self._steps:
            return
        if (loss := self._loss(kwargs["model"])) <= self._start * (1 + _RISE):
            return
        self.warning = (
            f"the loss rises: on the text that is learnt first it was {self._start:.3f}, and is {loss:.3f} after "
            f"{state.global_step} steps; start anew with a lower train.learning_rate, or with auto, which finds one"
        )
        self._note()
        if is_main():
            self._tell(f"warning: {self.warning}")

    @torch.no_grad()
    def _loss(self, model: Any) -> float:
        items = (self._dataset[row] for row in range(min(_SEQUENCES, len(self._dataset))))
        with in_evaluation(model):
            return mean_loss(model, ({key: value[None, :_PLACES] for key, value in item.items()} for item in items))

    def _note(self) -> None:
        if is_main():
            self._file.parent.mkdir(exist_ok=True)
            write_json(self._file, {"start": self._start, "warning": self.warning})
