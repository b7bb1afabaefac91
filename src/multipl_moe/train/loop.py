"""The training loop: transformers' Trainer over a dataset whose order is decided, from checkpoint to checkpoint."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multipl_moe.errors import ConfigError, OutputError, Preempted
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.launch import num_processes
from multipl_moe.train.callbacks import FollowSettings, StopOnInterrupt
from multipl_moe.train.checkpoints import checkpoint_path, full_disk_explained, last_checkpoint, load_trained
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.ordered_trainer import OrderedTrainer
from multipl_moe.train.processes import main_first, routing_group
from multipl_moe.train.settings import (
    compute_dtype,
    distribution,
    enable_checkpointing,
    optimizer_name,
    training_steps,
)
from multipl_moe.train.sharding import shard
from multipl_moe.train.trackers import PROJECT


@dataclass(frozen=True)
class FitResult:
    """What the loop did: `TrainResult` says what its numbers mean."""

    skipped_steps: int
    best_step: int | None


def fit(
    recipe: Recipe,
    model: PreTrainedModel,
    dataset: Dataset,
    checkpoints: Path,
    callbacks: list[TrainerCallback],
    on_interrupt: Callable[[], None],
    *,
    held_out: HeldOut | None = None,
    frozen: Mapping[str, str] | None = None,
    order_sha256: str | None = None,
    trainer_class: type[OrderedTrainer] = OrderedTrainer,
) -> FitResult:
    """Train the parameters that require gradients, from the last whole checkpoint if there is one.

    With `train.keep_best` the model ends with the weights of the best checkpoint, else with those of the last step.
    With the distribution `fsdp2` it comes back sharded over the processes.

    Args:
        recipe: train and seed are used.
        model: trained in place.
        dataset: a mixture, or a part of one, in order.
        checkpoints: folder for them, in the run folder.
        callbacks: told of every step.
        on_interrupt: called at the first Ctrl-C or SIGTERM, when the step will still be finished and saved.
        held_out: text to measure the loss on, every `train.eval_every_steps`.
        frozen: hash of each parameter that does not learn; a checkpoint is only gone on from with the same ones.
        order_sha256: of the dataset; a checkpoint is only gone on from with the same sequences in the same order.
        trainer_class: another one has another loss.

    Raises:
        ConfigError: the processes would not be used as the recipe says.
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        OutputError: the disk is full, or the checkpoint is of another model, other data or another number of processes.
        Preempted: stopped by SIGTERM, after saving a checkpoint.
        TrainingError: a bad step that the recipe does not skip.
    """
    if recipe.train.gradient_checkpointing:
        enable_checkpointing(model)
    if distribution(recipe) == "fsdp2":
        shard(model, compute_dtype(recipe))
    interrupt = StopOnInterrupt(on_interrupt)
    trainer = trainer_class(
        recipe=recipe,
        model=model,
        train_dataset=dataset,
        held_out=held_out,
        frozen_sha256=hashlib.sha256(json.dumps(sorted((frozen or {}).items())).encode()).hexdigest(),
        order_sha256=order_sha256,
        args=_arguments(recipe, checkpoints),
        callbacks=[interrupt, FollowSettings(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    _require_processes(trainer)
    with main_first():
        last = last_checkpoint(checkpoints)
    if last is not None:
        _require_as_many_processes(last)
    loss_by_language = trainer.language_losses.in_place_of(model)
    with interrupt, full_disk_explained(checkpoints), loss_by_language, over_ranks(model, routing_group()):
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    interrupt.agree()  # on what came after the last step: one process alone must not stop while others go on
    if interrupt.preempted:
        raise Preempted
    if interrupt.requested:
        raise KeyboardInterrupt
    if trainer.best_step is not None:
        load_trained(model, checkpoint_path(checkpoints, trainer.best_step))
    return FitResult(trainer.guard.num_skipped, trainer.best_step)


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
        # Trainer can put off dividing the gradients only of models that transformers itself has sharded.
        accelerator_config={"gradient_accumulation_kwargs": {"sync_each_batch": distribution(recipe) == "fsdp2"}},
        learning_rate=train.learning_rate,
        lr_scheduler_type=train.schedule,
        warmup_steps=round(train.warmup_share * steps),
        weight_decay=train.weight_decay,
        adam_beta2=train.adam_beta2,
        max_grad_norm=train.max_grad_norm,
        optim=optimizer_name(recipe),
        bf16=compute_dtype(recipe) == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=min(train.log_every_steps, steps),
        save_steps=train.save_every_steps,
        eval_strategy="no" if train.eval_every_steps is None else "steps",
        eval_steps=train.eval_every_steps,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        seed=recipe.seed,
        report_to="none",
        run_name=folder.parent.name,
        project=PROJECT,
        trackio_static_space_id=False,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )
