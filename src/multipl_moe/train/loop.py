"""The training loop: transformers' Trainer over a dataset whose order is decided, from checkpoint to checkpoint."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sized
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multipl_moe.errors import OutputError, Preempted, TrainingError
from multipl_moe.recipe import Recipe
from multipl_moe.run_folder import read_json, write_json
from multipl_moe.staging import staged_folder
from multipl_moe.train.bad_steps import BadStepGuard, StepRecord
from multipl_moe.train.callbacks import AbsorbThresholds, StopOnInterrupt
from multipl_moe.train.checkpoints import (
    checkpoint_path,
    full_disk_explained,
    last_checkpoint,
    load_trained,
    remove_checkpoints,
    save_trained,
    saved_checkpoints,
)
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.language_losses import LANGUAGE_KEY, LanguageLosses, WithLanguage
from multipl_moe.train.progress import LOSS_PREFIX, SKIPPED_KEY
from multipl_moe.train.settings import compute_dtype, enable_checkpointing, optimizer_name, training_steps
from multipl_moe.train.trackers import PROJECT, tracker_callbacks

_RUN_FILE = "run.json"


@dataclass(frozen=True)
class FitResult:
    """What the loop did: `TrainResult` says what its numbers mean."""

    skipped_steps: int
    best_step: int | None


class OrderedTrainer(Trainer):
    """Trainer that keeps the order of its dataset, which is already mixed and shuffled by the seed.

    It writes checkpoints whole or not at all and without frozen weights, measures the loss on held-out text and of each
    language, and keeps bad steps from the weights.

    Args:
        recipe: what to keep, and what to do with bad steps.
        model: with the parameters that learn told apart.
        train_dataset: a mixture, or a part of one.
        held_out: text to measure the loss on.
        frozen_sha256: of what does not learn; a checkpoint goes with it.
        kwargs: of `Trainer`.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        model: PreTrainedModel,
        train_dataset: Dataset,
        held_out: HeldOut | None,
        frozen_sha256: str,
        **kwargs: Any,
    ) -> None:
        rows = WithLanguage(train_dataset, list(recipe.mixture_weights))
        super().__init__(model=model, train_dataset=rows, eval_dataset=cast(Any, held_out), **kwargs)
        self.language_losses = LanguageLosses(rows.languages)
        self.guard = BadStepGuard(recipe)
        self._recipe, self._held_out, self._frozen_sha256 = recipe, held_out, frozen_sha256
        self._record: StepRecord | None = None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return Path(cast(str, self.args.output_dir))

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(cast(Sized, dataset))

    # Steps

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Forward and backward pass of one batch; what it read is kept until its step is judged."""
        if self._record is None:
            self._record = StepRecord(cast(nn.Module, self.model))
        inputs = dict(inputs)
        self.language_losses.rows = inputs.pop(LANGUAGE_KEY)
        self._record.batches.append(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._record.losses.append(loss)
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """Clip, and judge the step before the optimiser takes it."""
        norm = super()._clip_grad_norm(model)
        record, self._record = self._record, None
        assert record is not None
        loss = cast(Tensor, self.accelerator.reduce(torch.stack(record.losses).sum(), "mean"))
        problem = self.guard.judge(loss.item(), float(cast(Tensor, norm)))
        if problem is None:
            self.language_losses.keep()
        elif self.guard.skip():
            self._drop_step(model, record)
        else:
            raise self._stopped_by(problem, record)
        return norm

    def _drop_step(self, model: nn.Module, record: StepRecord) -> None:
        """Let nothing of a step remain."""
        self.language_losses.drop()
        record.undo_thresholds()
        model.zero_grad()  # to None: the optimiser passes over every parameter

    def _stopped_by(self, problem: str, record: StepRecord) -> TrainingError:
        step, in_a_row = self.state.global_step + 1, self.guard.num_in_a_row
        rank = f"_rank_{self.args.process_index}" if self.args.world_size > 1 else ""
        file = self.checkpoints.parent / f"bad_step_{step}{rank}.safetensors"
        record.save(file)
        last = next(reversed(saved_checkpoints(self.checkpoints).values()), None)
        good = f"{last} is good" if last is not None else "there is no checkpoint yet"
        skipped = f", and the {in_a_row} steps before it were skipped" if in_a_row else ""
        return TrainingError(
            f"step {step}: {problem}{skipped}; its batch: {file}; {good}: start anew with a lower train.learning_rate, "
            "or go on with --resume and train.on_bad_step=skip"
        )

    # Logs

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """As in Trainer; with the loss goes that of each language, and how many steps were skipped so far."""
        if "loss" in logs:
            sums = self.accelerator.reduce(self.language_losses.take().to(self.args.device), "sum")
            means = self.language_losses.means(cast(Tensor, sums))
            logs |= {f"{LOSS_PREFIX}{name}": mean for name, mean in means.items()}
            logs[SKIPPED_KEY] = self.guard.num_skipped
        super().log(logs, start_time)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """The loss on held-out text: by language, and their mean, by which the best checkpoint is chosen."""
        assert self._held_out is not None
        losses = self._held_out.losses(cast(PreTrainedModel, self.model))
        metrics = {f"{metric_key_prefix}_loss": sum(losses.values()) / len(losses)}
        metrics |= {f"{metric_key_prefix}_{LOSS_PREFIX}{name}": loss for name, loss in losses.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        is_best = super()._determine_best_metric(metrics, trial)
        if is_best and self._recipe.train.keep_best:
            self.control.should_save = True
        return is_best

    # Checkpoints

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self.store_flos()
        target = checkpoint_path(self.checkpoints, self.state.global_step)
        saves = self.args.should_save
        with staged_folder(target) if saves else nullcontext(target.with_name(f".{target.name}.partial")) as folder:
            self.accelerator.wait_for_everyone()
            self.save_model(str(folder), _internal_call=True)
            self._save_optimizer_and_scheduler(str(folder))
            self._save_scaler(str(folder))
            self._save_rng_state(str(folder))
            if saves:
                write_json(folder / _RUN_FILE, {"frozen_sha256": self._frozen_sha256, "steps": self.guard.state()})
                self.state.save_to_json(str(folder / "trainer_state.json"))
            self.accelerator.wait_for_everyone()
        if saves:
            last = list(saved_checkpoints(self.checkpoints))[-self._recipe.train.keep_checkpoints :]
            best = [] if self.best_step is None else [self.best_step]
            remove_checkpoints(self.checkpoints, {*last, *best})

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """What training changed, into a checkpoint's folder; the trained model is saved after calibration."""
        assert output_dir is not None, "only checkpoints are saved by the Trainer"
        if self.args.should_save:
            save_trained(cast(nn.Module, self.model), Path(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        checkpoint = Path(resume_from_checkpoint)
        load_trained(model if model is not None else cast(nn.Module, self.model), checkpoint)
        run = read_json(checkpoint / _RUN_FILE)
        if run["frozen_sha256"] != self._frozen_sha256:
            raise OutputError(f"output: {checkpoint} is of a run that started from another model; go on with that one")
        self.guard.restore(run["steps"])

    @property
    def best_step(self) -> int | None:
        """The step with the least held-out loss so far, where the recipe keeps it."""
        return self.state.best_global_step if self._recipe.train.keep_best else None


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
    trainer_class: type[OrderedTrainer] = OrderedTrainer,
) -> FitResult:
    """Train the parameters that require gradients, from the last whole checkpoint if there is one.

    With `train.keep_best` the model ends with the weights of the best checkpoint, else with those of the last step.

    Args:
        recipe: train and seed are used.
        model: trained in place.
        dataset: a mixture, or a part of one, in order.
        checkpoints: folder for them, in the run folder.
        callbacks: told of every step.
        on_interrupt: called at the first Ctrl-C or SIGTERM, when the step will still be finished and saved.
        held_out: text to measure the loss on, every `train.eval_every_steps`.
        frozen: hash of each parameter that does not learn; a checkpoint is only gone on from with the same ones.
        trainer_class: another one has another loss.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        OutputError: the disk is full, or the checkpoint belongs to another model.
        Preempted: stopped by SIGTERM, after saving a checkpoint.
        TrainingError: a bad step that the recipe does not skip.
    """
    interrupt = StopOnInterrupt(on_interrupt)
    if recipe.train.gradient_checkpointing:
        enable_checkpointing(model)
    trainer = trainer_class(
        recipe=recipe,
        model=model,
        train_dataset=dataset,
        held_out=held_out,
        frozen_sha256=hashlib.sha256(json.dumps(sorted((frozen or {}).items())).encode()).hexdigest(),
        args=_arguments(recipe, checkpoints),
        callbacks=[interrupt, AbsorbThresholds(), *callbacks, *tracker_callbacks(recipe, checkpoints.parent)],
    )
    trainer.remove_callback(PrinterCallback)
    last = last_checkpoint(checkpoints)
    with interrupt, full_disk_explained(checkpoints), trainer.language_losses.in_place_of(model):
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    if interrupt.preempted:
        raise Preempted
    if interrupt.requested:
        raise KeyboardInterrupt
    if trainer.best_step is not None:
        load_trained(model, checkpoint_path(checkpoints, trainer.best_step))
    return FitResult(trainer.guard.num_skipped, trainer.best_step)


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
    )
