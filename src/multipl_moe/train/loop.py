"""The training loop: transformers' Trainer over a dataset whose order is decided, from checkpoint to checkpoint."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.system.launch import num_processes
from multipl_moe.train.callbacks import FollowSettings, SaveByTime, StopOnInterrupt
from multipl_moe.train.checkpoints import checkpoint_path, full_disk_explained, last_checkpoint, load_trained
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.ordered_trainer import OrderedTrainer
from multipl_moe.train.processes import main_first, routing_group
from multipl_moe.train.rate_search import resolved_rate
from multipl_moe.train.setup import OPTIMIZERS, TrainingSetup
from multipl_moe.train.sharding import shard
from multipl_moe.train.trackers import PROJECT


def fit(
    setup: TrainingSetup,
    model: PreTrainedModel,
    dataset: Dataset,
    checkpoints: Path,
    callbacks: list[TrainerCallback],
    on_interrupt: Callable[[], object] = lambda: None,
    on_note: Callable[[str], object] = lambda line: None,
    *,
    held_out: HeldOut | None = None,
    frozen: Mapping[str, str] | None = None,
    order_sha256: str | None = None,
) -> OrderedTrainer:
    """Train the parameters that require gradients, from the last whole checkpoint if there is one.

    With `train.keep_best` the model ends with the weights of the best checkpoint, else with those of the last step.
    With the distribution `fsdp2` it comes back sharded over the processes. Returns what trained it.

    Args:
        on_interrupt: called at the first Ctrl-C, SIGTERM or SIGHUP, when the step will still be finished and saved.
        on_note: told in the main process, in a line each, what a search for the rate finds.
        held_out: text to measure the loss on, every `train.eval_every_steps`.
        frozen: hash of each parameter that does not learn; a checkpoint is only gone on from with the same ones.
        order_sha256: of the dataset, likewise.

    Raises:
        ConfigError: the processes would not be used as torchrun started them.
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        OutputError: the disk is full, or the checkpoint is of another model, other data or another number of processes.
        Preempted: stopped by SIGTERM or SIGHUP, after saving a checkpoint.
        TrainingError: the loss or the gradient of a step is not finite.
    """
    setup = _prepared(setup, model, dataset, checkpoints, on_note)
    interrupt = StopOnInterrupt(on_interrupt)
    trainer = OrderedTrainer(
        setup=setup,
        model=model,
        train_dataset=dataset,
        held_out=held_out,
        frozen_sha256=hashlib.sha256(json.dumps(sorted((frozen or {}).items())).encode()).hexdigest(),
        order_sha256=order_sha256,
        args=_arguments(setup, checkpoints),
        callbacks=[interrupt, FollowSettings(), SaveByTime(setup.train.save_every_minutes), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    last = _checkpoint_to_go_on_from(trainer, checkpoints)
    loss_by_language = trainer.language_losses.in_place_of(model)
    with interrupt, full_disk_explained(checkpoints), loss_by_language, over_ranks(model, routing_group()):
        trainer.train(resume_from_checkpoint=last)
    interrupt.raise_if_asked()
    if trainer.best_step is not None:
        load_trained(model, checkpoint_path(checkpoints, trainer.best_step))
    return trainer


def _prepared(
    setup: TrainingSetup, model: PreTrainedModel, dataset: Dataset, checkpoints: Path, tell: Callable[[str], object]
) -> TrainingSetup:
    """Arrange the model as the setup says, with checkpointing and in parts; the setup with the rate to take."""
    setup.use_checkpointing(model)
    if setup.distribution == "fsdp2":
        shard(model, setup.dtype)
    if setup.train.learning_rate != "auto":
        return setup
    arguments = _arguments(setup.with_rate(1.0), checkpoints)
    return setup.with_rate(resolved_rate(setup, model, dataset, arguments, checkpoints.parent, tell))


def _checkpoint_to_go_on_from(trainer: Trainer, checkpoints: Path) -> str | None:
    """The last one; raises where accelerate or the checkpoint know of other processes than torchrun started."""
    accelerator = trainer.accelerator
    kind, count = accelerator.distributed_type.value, accelerator.num_processes
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU") or count != num_processes():
        raise ConfigError(
            f"train: accelerate uses {count} processes as {kind}, but torchrun started {num_processes()}; start with "
            "torchrun alone, without accelerate's or MPI's launcher and settings"
        )
    with main_first():
        last = last_checkpoint(checkpoints)
    if last is None:
        return None
    require_as_many_processes(last)
    return str(last)


def require_as_many_processes(checkpoint: Path) -> None:
    """Raise OutputError where a checkpoint is of another number of processes: its steps had other rows."""
    count = len(list(checkpoint.glob("rng_state*.pth")))
    if count != num_processes():
        raise OutputError(
            f"output: {checkpoint} is of a run of {count} processes, not of {num_processes()}; go on with as many, or "
            "start anew in another folder"
        )


def _arguments(setup: TrainingSetup, folder: Path) -> TrainingArguments:
    train, steps = setup.train, setup.steps
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=train.batch_sequences,
        gradient_accumulation_steps=train.accumulation_steps,
        # Trainer can put off dividing the gradients only of models that transformers itself has sharded.
        accelerator_config={"gradient_accumulation_kwargs": {"sync_each_batch": setup.distribution == "fsdp2"}},
        learning_rate=cast(float, train.learning_rate),
        lr_scheduler_type=train.schedule,
        warmup_steps=setup.warmup_steps,
        weight_decay=train.weight_decay,
        adam_beta2=train.adam_beta2,
        max_grad_norm=train.max_grad_norm,
        optim=OPTIMIZERS[train.optimizer],
        bf16=setup.dtype == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        logging_first_step=True,
        logging_steps=min(train.log_every_steps, steps),
        save_steps=train.save_every_steps,
        eval_strategy="no" if train.eval_every_steps is None else "steps",
        eval_steps=train.eval_every_steps,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        seed=setup.seed,
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
