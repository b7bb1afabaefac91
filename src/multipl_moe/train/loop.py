"""The training loop: transformers' Trainer over a dataset whose order is decided, from checkpoint to checkpoint."""

import shutil
from collections.abc import Callable, Sized
from pathlib import Path
from typing import cast

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multipl_moe.recipe import Recipe
from multipl_moe.train.callbacks import AbsorbThresholds, StopOnInterrupt
from multipl_moe.train.settings import compute_dtype, enable_checkpointing, optimizer_name, training_steps

_LAST_FILE_OF_A_CHECKPOINT = "trainer_state.json"


class OrderedTrainer(Trainer):
    """Trainer that keeps the order of its dataset, which is already mixed and shuffled by the seed."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(cast(Sized, dataset))


def fit(
    recipe: Recipe,
    model: PreTrainedModel,
    dataset: Dataset,
    checkpoints: Path,
    callbacks: list[TrainerCallback],
    on_interrupt: Callable[[], None],
) -> None:
    """Train the parameters that require gradients, from the last whole checkpoint if there is one.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
    """
    interrupt = StopOnInterrupt(on_interrupt)
    if recipe.train.gradient_checkpointing:
        enable_checkpointing(model)
    trainer = OrderedTrainer(
        model=model,
        args=_arguments(recipe, checkpoints),
        train_dataset=dataset,
        callbacks=[interrupt, AbsorbThresholds(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    with interrupt:
        trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
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
        optim=optimizer_name(recipe),
        bf16=compute_dtype(recipe) == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=min(train.log_every_steps, steps),
        save_steps=train.save_every_steps,
        save_total_limit=2,
        seed=recipe.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
