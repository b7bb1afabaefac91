"""The training loop: transformers' Trainer over a dataset whose order is decided, from checkpoint to checkpoint."""

import shutil
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.launch import num_processes
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.recipe import Recipe
from multipl_moe.train.callbacks import AbsorbThresholds, StopOnInterrupt
from multipl_moe.train.processes import main_first, routing_group
from multipl_moe.train.settings import compute_dtype, distribution, training_steps
from multipl_moe.train.sharding import is_sharded, load_sharded, save_sharded, shard

_LAST_FILE_OF_A_CHECKPOINT = "trainer_state.json"
_SHARDS_FOLDER, _SCHEDULER_FILE = "sharded", "scheduler.pt"


class OrderedTrainer(Trainer):
    """Trainer that keeps the order of its dataset, which is already mixed and shuffled by the seed.

    Of several processes each takes the next rows in turn, so that all together take those that one would with as many
    rows. A model that `shard` divided is trained and saved in its parts.
    """

    def __init__(self, model: PreTrainedModel, **kwargs: Any) -> None:
        super().__init__(model=model, **kwargs)
        self._is_sharded = is_sharded(model)
        # Trainer's own name for it: the model reduces its gradients itself, so it is not wrapped again.
        self.is_distributed_loading_by_transformers = self._is_sharded

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(cast(Sized, dataset))

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        if not is_sharded(model):  # which is where it belongs
            super()._move_model_to_device(model, device)

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm: Any = super()._clip_grad_norm(model)
        return norm.full_tensor() if self._is_sharded else norm

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in Trainer; the weights of a sharded model go with its optimiser."""
        if not self._is_sharded:
            super().save_model(output_dir, _internal_call)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if not self._is_sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self._is_sharded:
            return super()._save_optimizer_and_scheduler(output_dir)
        folder, scheduler = Path(output_dir), cast(Any, self.lr_scheduler)
        save_sharded(cast(nn.Module, self.model), cast(Any, self.optimizer).optimizer, folder / _SHARDS_FOLDER)
        if self.args.should_save:
            torch.save(scheduler.state_dict(), folder / _SCHEDULER_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self._is_sharded or checkpoint is None:
            return super()._load_optimizer_and_scheduler(checkpoint)
        folder, scheduler = Path(checkpoint), cast(Any, self.lr_scheduler)
        load_sharded(cast(nn.Module, self.model), cast(Any, self.optimizer).optimizer, folder / _SHARDS_FOLDER)
        scheduler.load_state_dict(torch.load(folder / _SCHEDULER_FILE, weights_only=True))


def fit(
    recipe: Recipe,
    model: PreTrainedModel,
    dataset: Dataset,
    checkpoints: Path,
    callbacks: list[TrainerCallback],
    on_interrupt: Callable[[], None],
) -> None:
    """Train the parameters that require gradients, from the last whole checkpoint if there is one.

    With the distribution `fsdp2` the model comes back sharded over the processes.

    Raises:
        ConfigError: the processes would not be used as the recipe says.
        OutputError: the checkpoint is of another number of processes.
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
    """
    if distribution(recipe) == "fsdp2":
        shard(model)
    interrupt = StopOnInterrupt(on_interrupt)
    trainer = OrderedTrainer(
        model=model,
        args=_arguments(recipe, checkpoints),
        train_dataset=dataset,
        callbacks=[interrupt, AbsorbThresholds(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    _require_processes(trainer)
    with main_first():
        last = last_checkpoint(checkpoints)
    if last is not None:
        _require_as_many_processes(Path(last))
    with interrupt, over_ranks(model, routing_group()):
        trainer.train(resume_from_checkpoint=last)
    if interrupt.requested:
        raise KeyboardInterrupt


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones after it are removed."""
    steps = {int(path.name.partition("-")[2]): path for path in folder.glob("checkpoint-*")}
    for step in sorted(steps, reverse=True):
        if (steps[step] / _LAST_FILE_OF_A_CHECKPOINT).is_file():
            return str(steps[step])
        shutil.rmtree(steps[step])
    return None


def _require_processes(trainer: Trainer) -> None:
    """Raise ConfigError where accelerate found other processes than torchrun started, or divides work otherwise."""
    accelerator = trainer.accelerator
    kind, count = accelerator.distributed_type.value, accelerator.num_processes
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU") or count != num_processes():
        raise ConfigError(
            f"train: accelerate uses {count} processes as {kind}, but torchrun started {num_processes()}; start with "
            "torchrun alone, without accelerate's or MPI's launcher and settings"
        )


def _require_as_many_processes(checkpoint: Path) -> None:
    """Raise OutputError where a checkpoint is of another number of processes: its steps had other rows."""
    count = len(list(checkpoint.glob("rng_state*.pth")))
    if count != num_processes():
        raise OutputError(
            f"output: {checkpoint} is of a run of {count} processes, not of {num_processes()}; go on with as many, or "
            "start anew in another folder"
        )


def _arguments(recipe: Recipe, folder: Path) -> TrainingArguments:
    train, steps = recipe.train, training_steps(recipe)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=train.batch_sequences,
        gradient_accumulation_steps=train.accumulation_steps,
        learning_rate=train.learning_rate,
        lr_scheduler_type=train.schedule,
        warmup_steps=round(train.warmup_share * steps),
        weight_decay=train.weight_decay,
        adam_beta2=train.adam_beta2,
        max_grad_norm=train.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=compute_dtype(recipe) == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=train.gradient_checkpointing,
        logging_steps=min(train.log_every_steps, steps),
        save_steps=train.save_every_steps,
        save_total_limit=2,
        seed=recipe.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )
