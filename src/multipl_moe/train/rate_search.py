"""The learning rate that `train.learning_rate: auto` means: found in short trials before training.

A trial trains some steps at one rate, with a warm-up of its own, on the same sequences as every other trial; what it
is judged by are the losses of its last steps, each taken before the step learns from it. From the rate that is usual
for what is trained the search goes up by factors of two as long as that helps, or else down. Of the rates whose losses
are as good as equal the largest is the best: a trial ends at its full rate, whereas a run's falls. As a trial's batch
is smaller than a run's, and Adam bears a rate in proportion to the root of the batch, the run may take up to twice it,
but no rate that lost in the trials, which a larger batch does not mend.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainingArguments

from multipl_moe.errors import TrainingError
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.launch import is_main, num_processes
from multipl_moe.train.processes import routing_group
from multipl_moe.train.rate_trials import STEPS, Trials, trial_shape
from multipl_moe.train.setup import TrainingSetup

RATE_FILE = "learning_rate.json"
_MOST_TRIALS = 8
_AS_GOOD = 0.01  # of the loss
_MOST_RAISED = 2.0  # times the best trial's rate, however much larger the run's batch
_TOO_MUCH = 0.05  # of the loss: of a rate that is no longer in reach
_NEAR = 1.1  # times a rate: as far below such a one it is not in reach either


@dataclass(frozen=True)
class RateSearch:
    """What a search found.

    Attributes:
        learning_rate: the one to take.
        losses: by rate, in the order of the trials: the mean over a trial's last steps, infinite where it broke.
        is_raised: whether it is above the best of the trials.
    """

    learning_rate: float
    losses: dict[float, float]
    is_raised: bool = False

    def sentence(self) -> str:
        """It in one line."""
        tried = ", ".join(f"{loss:.3f} at {rate:g}" for rate, loss in sorted(self.losses.items()))
        raised = "" if not self.is_raised else ", raised for the larger batch of the run"
        return f"learning rate {self.learning_rate:g}{raised}; loss in trials: {tried}"


def search_tokens(setup: TrainingSetup) -> int:
    """Tokens that a search reads at most, over all processes; 0 where the recipe names a rate."""
    rows, columns = trial_shape(setup)
    return (setup.train.learning_rate == "auto") * _MOST_TRIALS * STEPS * rows * columns * num_processes()


def raised_by(setup: TrainingSetup) -> float:
    """What the best rate of the trials is multiplied with: 1 where their batch is a run's, 2 at most."""
    rows, columns = trial_shape(setup)
    return min(math.sqrt(setup.tokens_per_step / (rows * columns * num_processes())), _MOST_RAISED)


def search_rate(loss_at: Callable[[float], float], start: float, raised: float = 1.0) -> RateSearch:
    """Go up from a rate by factors of two while the loss falls, or else down, in at most `_MOST_TRIALS` trials.

    The best one is then multiplied with `raised`, to two digits, if no rate up to that, or near it, lost too much.

    Raises:
        TrainingError: the loss was a number at no rate.
    """
    losses = {start: loss_at(start)}
    best = start
    for factor in (2.0, 0.5) if math.isfinite(losses[start]) else (0.5,):
        while len(losses) < _MOST_TRIALS:
            rate = best * factor
            losses[rate] = loss_at(rate)
            if losses[rate] >= losses[best] < math.inf:
                break
            best = rate
        if best > start:
            break
    if not math.isfinite(losses[best]):
        tried = ", ".join(f"{rate:g}" for rate in losses)
        raise TrainingError(f"train.learning_rate: auto found none: the loss is not finite at any of {tried}")
    enough = losses[best] * (1 + _AS_GOOD)
    largest = max(rate for rate, loss in losses.items() if loss <= enough)
    lost = [rate for rate, loss in losses.items() if rate > largest and loss > losses[best] * (1 + _TOO_MUCH)]
    wanted = float(f"{raised * largest:.2g}")
    if raised == 1 or wanted <= largest or wanted * _NEAR >= min(lost, default=math.inf):
        return RateSearch(largest, losses)
    return RateSearch(wanted, losses, is_raised=True)


def resolved_rate(
    setup: TrainingSetup,
    model: PreTrainedModel,
    dataset: Dataset,
    arguments: TrainingArguments,
    folder: Path,
    tell: Callable[[str], object],
) -> float:
    """What `auto` means for a run: what its folder holds already, or what a search finds now, which is then stored.

    The search leaves the model as it was to the bit; random numbers are drawn meanwhile. `tell` takes a line in the
    main process after each trial, and at the end; the other arguments are those of `Trials`.
    """
    file = folder / RATE_FILE
    if file.is_file():
        return read_json(file)["learning_rate"]
    trials = Trials(setup, model, dataset, arguments)

    def loss_at(rate: float) -> float:
        loss = trials.loss_at(rate)
        if is_main():
            tell(f"trying learning rates: loss {loss:.3f} at {rate:g}")
        return loss

    with over_ranks(model, routing_group()):
        found = search_rate(loss_at, setup.first_rate, raised_by(setup))
    if is_main():
        losses = {f"{rate:g}": loss if math.isfinite(loss) else None for rate, loss in found.losses.items()}
        write_json(file, {"learning_rate": found.learning_rate, "losses": losses})
        tell(found.sentence())
    return found.learning_rate
