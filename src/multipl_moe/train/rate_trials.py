"""Trials of a learning rate: a few steps of training, of which nothing stays but their losses."""

import math
from functools import partial
from statistics import fmean
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments, set_seed

from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.system.launch import num_processes
from multipl_moe.train.checkpoints import trained_state
from multipl_moe.train.setup import TrainingSetup, batch_arguments

STEPS = 8  # of a trial
_WARM_UP_STEPS = 2  # of these, at a rising rate
_JUDGED_STEPS = 4  # the last ones, whose mean loss counts
_USUAL_TRIALS = 4
_SHARE = 0.05  # of a run's tokens, for the usual number of trials
_FEWEST_PLACES = 256  # of a trial's batch, in each process


def trial_shape(setup: TrainingSetup) -> tuple[int, int]:
    """Rows of each process and places a row of a trial's batch: no larger than those of a pass, and about 5% of the
    run's tokens in all."""
    train = setup.train
    places = max(int(_SHARE * train.tokens / (_USUAL_TRIALS * STEPS * num_processes())), _FEWEST_PLACES)
    columns = min(train.sequence_tokens, places)
    return min(places // columns, train.batch_sequences), columns


class Trials:
    """Trains some steps at one rate after another, each time from the same start.

    Args:
        model: prepared for training, sharded where it will be; it comes back as it was.
        dataset: what the run reads, from its beginning.
        arguments: that name the optimiser.
    """

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
        self._batches = [self._batch(dataset, step) for step in range(STEPS)]

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
        """The sequences whose turn it would be in this process, cut, or whole where a cut one has no loss."""
        rows, columns = trial_shape(self._setup)
        rank, count = (dist.get_rank(), num_processes()) if num_processes() > 1 else (0, 1)
        begin = (step * count + rank) * rows
        items = [_first_that_counts(dataset, begin + row) for row in range(rows)]
        if not all(_counts(item, columns) for item in items):
            columns = None
        return {key: torch.stack([item[key][:columns] for item in items]).to(self._model.device) for key in items[0]}

    def _mean(self, value: Tensor) -> Tensor:
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


def _first_that_counts(dataset: Any, place: int) -> dict[str, Tensor]:
    """A sequence, or the first after it that has a loss."""
    items = (dataset[(place + ahead) % len(dataset)] for ahead in range(len(dataset)))
    return next(item for item in items if _counts(item))


def _counts(item: dict[str, Tensor], columns: int | None = None) -> bool:
    return bool((item["labels"][1:columns] != IGNORED_LABEL).any())


def _local(tensor: Tensor) -> Tensor:
    """This process's part of a sharded tensor; another one as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
