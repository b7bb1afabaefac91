"""Stage 1: transformers' Trainer over packed code, only experts and routers training."""

import shutil
from collections.abc import Callable, Sequence, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from multipl_moe.corpus.packed import MixtureDataset
from multipl_moe.errors import ConfigError
from multipl_moe.loading import load_hybrid
from multipl_moe.model.expert_use import ExpertUse, measure_expert_use
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe import Recipe
from multipl_moe.run_folder import write_json
from multipl_moe.staging import copy_companions, refuse_existing, staged_folder
from multipl_moe.train.calibrate import calibrate_thresholds
from multipl_moe.train.callbacks import AbsorbThresholds, StopOnInterrupt, TrainingClock
from multipl_moe.train.data import calibration_batches, expert_use_batches, require_same_tokenizer, training_data
from multipl_moe.train.settings import (
    attention_implementation,
    compute_dtype,
    tokens_per_step,
    training_steps,
    unify_dtype,
)
from multipl_moe.train.stages import Audit, frozen_hashes, prepare_stage1, verify_frozen

_LAST_FILE_OF_A_CHECKPOINT = "trainer_state.json"


@dataclass(frozen=True)
class TrainResult:
    """What a training run did.

    Attributes:
        model_folder: the trained checkpoint.
        audit: what trained and what did not.
        frozen_sha256: hash over all frozen parameters, equal before and after.
        tokens: tokens trained on.
        seconds: time of the training loop.
        steps: optimiser steps.
    """

    model_folder: Path
    audit: Audit
    frozen_sha256: str
    tokens: int
    seconds: float
    steps: int

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self) | {"model_folder": str(self.model_folder)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainResult":
        """Read `to_json`'s dict."""
        parts = {"model_folder": Path(values["model_folder"]), "audit": Audit(**values["audit"])}
        return cls(**(values | parts))


class OrderedTrainer(Trainer):
    """Trainer that keeps the order of its dataset, which is already mixed and shuffled by the seed."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(cast(Sized, dataset))


def train_stage1(
    recipe: Recipe,
    model_folder: Path,
    corpus: Path,
    output: Path,
    *,
    callbacks: Sequence[TrainerCallback] = (),
    on_audit: Callable[[Audit], None] = lambda audit: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> TrainResult:
    """Train experts and routers of a hybrid checkpoint; goes on from the last checkpoint in `output` if there is one.

    Args:
        recipe: train, seed and languages are used.
        model_folder: what to start from.
        corpus: folder that `build_corpus` wrote.
        output: run folder; gets checkpoints/ while training, model/ and training.json at the end.
        callbacks: told of every step, for progress.
        on_audit: told what trains, before it does.
        on_interrupt: called at the first Ctrl-C, when the step will still be finished and saved.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        CorpusError: the corpus lacks a language, or was tokenised for another model.
        FrozenParameterError: a frozen parameter changed.
        OutputError: `output` holds a trained model.
    """
    if torch.cuda.device_count() > 1:
        raise ConfigError("train: one GPU is used, but there are several; choose it, as with CUDA_VISIBLE_DEVICES=0")
    checkpoints = output / "checkpoints"
    if checkpoints.is_dir() and not (output / "training.json").exists():
        shutil.rmtree(output / "model", ignore_errors=True)  # the run was stopped between saving it and noting so
    refuse_existing(output / "model")
    set_seed(recipe.seed)
    sequences = training_steps(recipe) * tokens_per_step(recipe) // recipe.train.sequence_tokens
    dataset = training_data(recipe, corpus, sequences)
    calibration = list(calibration_batches(recipe, corpus))
    expert_use = expert_use_batches(recipe, corpus)
    model = load_hybrid(model_folder)
    require_same_tokenizer(model_folder, corpus)
    model.set_attn_implementation(attention_implementation(recipe))
    storage_dtype = model.lm_head.weight.dtype
    audit = prepare_stage1(model)
    on_audit(audit)
    before = frozen_hashes(model)
    unify_dtype(model, recipe)
    clock = TrainingClock(checkpoints)
    _fit(recipe, model, dataset, checkpoints, [clock, *callbacks], on_interrupt)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(storage_dtype)
    calibrate_thresholds(model, calibration)
    use = measure_expert_use(model, expert_use)
    result = TrainResult(
        output / "model",
        audit,
        frozen_sha256=verify_frozen(model, before),
        tokens=sequences * recipe.train.sequence_tokens,
        seconds=clock.seconds,
        steps=training_steps(recipe),
    )
    _save(model, use, model_folder, output, result)
    return result


def _fit(
    recipe: Recipe,
    model: MultiplMoeForCausalLM,
    dataset: MixtureDataset,
    checkpoints: Path,
    callbacks: list[TrainerCallback],
    on_interrupt: Callable[[], None],
) -> None:
    """Run the Trainer, from the last whole checkpoint if there is one."""
    interrupt = StopOnInterrupt(on_interrupt)
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


def _save(model: MultiplMoeForCausalLM, use: ExpertUse, model_folder: Path, output: Path, result: TrainResult) -> None:
    with staged_folder(output / "model") as staging:
        model.save_pretrained(staging)
        use.save(staging)
        copy_companions(model_folder, staging)
    write_json(output / "training.json", result.to_json())
    shutil.rmtree(output / "checkpoints", ignore_errors=True)


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
    )
