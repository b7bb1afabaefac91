"""The learning rate that `train.learning_rate: auto` means: found in short trials before training.

A trial trains some steps at one rate, with a warm-up of its own, on the same sequences as every other trial; what it
is judged by are the losses of its last steps, each taken before the step learns from it. From the rate that is usual
for what is trained the search goes up by factors of two as long as that helps, or else down. Of the rates whose losses
are as good as equal the largest is the best: a trial ends at its full rate, whereas a run's falls. As a trial's batch
is smaller than a run's, and Adam bears a rate in proportion to the root of the batch, the run may take up to twice it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments, set_seed

from multipl_moe.errors import TrainingError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.recipe.training import TrainSection
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.launch import is_main, num_processes
from multipl_moe.train.batch_arguments import batch_arguments
from multipl_moe.train.checkpoints import trained_state
from multipl_moe.train.processes import routing_group
from multipl_moe.train.setup import TrainingSetup

RATE_FILE = "learning_rate.json"
_STEPS, _WARM_UP_STEPS, _JUDGED_STEPS = 8, 2, 4
_MOST_TRIALS, _USUAL_TRIALS = 8, 4
_SHARE, _FEWEST_PLACES = 0.05, 256  # of a run's tokens for the usual trials; least places of a trial's batch
_AS_GOOD = 0.01  # of the loss
_MOST_RAISED = 2.0  # times the best trial's rate, however much larger the run's batch
_USUAL_RATES = {"experts": 5e-4, "dense": 3e-4, "dense-ffn": 5e-4}
_USUAL_RATE_TIMES_ALPHA = 0.128  # of low-rank experts and of LoRA (docs/results.md)


@dataclass(frozen=True)
class RateSearch:
    """What a search found.

    Attributes:
        learning_rate: the one to take.
        losses: by rate, in the order of the trials: the mean over a trial's last steps, infinite where it broke.
    """

    learning_rate: float
    losses: dict[float, float]

    def sentence(self) -> str:
        """It in one line."""
        tried = ", ".join(f"{loss:.3f} at {rate:g}" for rate, loss in sorted(self.losses.items()))
        return f"learning rate {self.learning_rate:g}, found in short trials: loss {tried}"


def trial_shape(setup: TrainingSetup) -> tuple[int, int]:
    """Rows of each process and places a row of a trial's batch: no larger than those of a pass, and about 5% of the
    run's tokens in all."""
    train = setup.train
    places = max(int(_SHARE * train.tokens / (_USUAL_TRIALS * _STEPS * num_processes())), _FEWEST_PLACES)
    columns = min(train.sequence_tokens, places)
    return min(places // columns, train.batch_sequences), columns


def search_tokens(setup: TrainingSetup) -> int:
    """Tokens that a search reads at most, over all processes; 0 where the recipe names a rate."""
    rows, columns = trial_shape(setup)
    return (setup.train.learning_rate == "auto") * _MOST_TRIALS * _STEPS * rows * columns * num_processes()


def raised_by(setup: TrainingSetup) -> float:
    """What the best rate of the trials is multiplied with: 1 where their batch is a run's, 2 at most."""
    rows, columns = trial_shape(setup)
    return min(math.sqrt(setup.tokens_per_step / (rows * columns * num_processes())), _MOST_RAISED)


def usual_rate(train: TrainSection, config: Any) -> float:
    """Where the search begins: what learnt most with smollm2-135m, of what is trained."""
    if train.method == "lora":
        return _USUAL_RATE_TIMES_ALPHA / train.lora_alpha
    if isinstance(config, MultiplMoeConfig) and config.moe_config.expert_type == "lora":
        return _USUAL_RATE_TIMES_ALPHA / config.moe_config.expert_alpha
    return _USUAL_RATES[train.method]


def search_rate(loss_at: Callable[[float], float], start: float, raised: float = 1.0) -> RateSearch:
    """Go up from a rate by factors of two while the loss falls, or else down, in at most `_MOST_TRIALS` trials.

    The best one is then multiplied with `raised`, and rounded to two digits.

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
        raise TrainingError(f"train.learning_rate: auto found none: the loss is no number at any of {tried}")
    enough = losses[best] * (1 + _AS_GOOD)
    largest = max(rate for rate, loss in losses.items() if loss <= enough)
    return RateSearch(float(f"{raised * largest:.2g}"), losses)


def resolved_rate(
    setup: TrainingSetup,
    model: PreTrainedModel,
    dataset: Dataset,
    arguments: TrainingArguments,
    folder: Path,
    tell: Callable[[str], object],
) -> RateSearch:
    """What `auto` means for a run: what its folder holds already, or what a search finds now, which is then stored.

    The search leaves the model as it was to the bit; random numbers are drawn meanwhile.

    Args:
        setup: of the run.
        model: prepared for training, sharded where it will be.
        dataset: what the run reads, from its beginning.
        arguments: that name the optimiser.
        folder: of the run.
        tell: takes a line in the main process after each trial, and at the end.
    """
    file = folder / RATE_FILE
    if file.is_file():
        values = read_json(file)
        losses = {float(rate): float(loss) for rate, loss in values["losses"].items()}
        return RateSearch(values["learning_rate"], losses)

    def loss_at(rate: float) -> float:
        loss = trials.loss_at(rate)
        if is_main():
            tell(f"trying learning rates: loss {loss:.3f} at {rate:g}")
        return loss

    trials = _Trials(setup, model, dataset, arguments)
    with over_ranks(model, routing_group()):
        found = search_rate(loss_at, usual_rate(setup.train, model.config), raised_by(setup))
    if is_main():
        losses = {str(rate): loss if math.isfinite(loss) else "inf" for rate, loss in found.losses.items()}
        write_json(file, {"learning_rate": found.learning_rate, "losses": losses})
        tell(found.sentence())
    return found


class _Trials:
    """Trains some steps at a rate, and puts everything back."""

    def __init__(
        self,
        setup: TrainingSetup,
        model: PreTrainedModel,
        dataset: Dataset,
        arguments: TrainingArguments,
    ) -> None:
        self._setup, self._model = setup, model
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer_class, settings = Trainer.get_optimizer_cls_and_kwargs(arguments)
        self._new_optimizer = partial(optimizer_class, self._trained, **settings)
        self._start = {name: _local(tensor).detach().cpu().clone() for name, tensor in trained_state(model).items()}
        self._batches = [self._batch(dataset, step) for step in range(_STEPS)]

    def loss_at(self, rate: float) -> float:
        """The mean loss of the last steps; infinite where one of them is no number."""
        set_seed(self._setup.seed)
        was_training = self._model.training
        self._model.train()
        try:
            return self._train(rate)
        finally:
            self._restore()
            self._model.train(was_training)

    def _train(self, rate: float) -> float:
        setup, model, optimizer = self._setup, self._model, self._new_optimizer()
        warm_up = _WARM_UP_STEPS if setup.warmup_steps else 0
        losses = []
        for step, batch in enumerate(self._batches):
            for group in optimizer.param_groups:
                group["lr"] = rate * min((step + 1) / (warm_up + 1), 1)
            with torch.autocast(model.device.type, setup.dtype, enabled=setup.dtype != torch.float32):
                loss = cast(Tensor, model(**batch, **batch_arguments(model, batch)).loss)
            loss.backward()
            losses.append(self._mean(loss.detach().float()).item())
            if not math.isfinite(losses[-1]):
                return math.inf
            self._average_gradients()
            clip_grad_norm_(self._trained, setup.train.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        return fmean(losses[-_JUDGED_STEPS:])

    @torch.no_grad()
    def _restore(self) -> None:
        for name, tensor in trained_state(self._model).items():
            _local(tensor).copy_(self._start[name])
        for parameter in self._trained:
            parameter.grad = None
        for layer in hybrid_layers_of(self._model).values():
            layer.forget_noted()

    def _batch(self, dataset: Any, step: int) -> dict[str, Tensor]:
        """The sequences whose turn it would be in this process, cut."""
        rows, columns = trial_shape(self._setup)
        rank, count = (dist.get_rank(), num_processes()) if num_processes() > 1 else (0, 1)
        begin = (step * count + rank) * rows
        items = [dataset[(begin + row) % len(dataset)] for row in range(rows)]
        return {key: torch.stack([item[key][:columns] for item in items]).to(self._model.device) for key in items[0]}

    def _mean(self, value: Tensor) -> Tensor:
        """Over all processes."""
        if num_processes() > 1:
            dist.all_reduce(value)
            value /= num_processes()
        return value

    def _average_gradients(self) -> None:
        """Over all processes, where sharding has not done so."""
        if self._setup.distribution == "ddp":
            for parameter in self._trained:
                if parameter.grad is not None:
                    self._mean(parameter.grad)


def _local(tensor: Tensor) -> Tensor:
    """This process's part of a sharded tensor; another one as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
