"""Stage 1: transformers' Trainer over packed code, only experts and routers training."""

import shutil
import signal
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from multipl_moe.attention import fastest_attention
from multipl_moe.corpus.packed import MixtureDataset, PackedTokens
from multipl_moe.errors import CorpusError
from multipl_moe.loading import load_hybrid
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe import Recipe
from multipl_moe.run_folder import write_json
from multipl_moe.staging import copy_companions, refuse_existing, staged_folder
from multipl_moe.train.calibrate import calibrate_thresholds
from multipl_moe.train.stages import Audit, frozen_hashes, prepare_stage1, verify_frozen

_CALIBRATION_SEED_OFFSET = 1
_CALIBRATION_ROWS = 32


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


class StopOnInterrupt(TrainerCallback):
    """Turns Ctrl-C into: finish this step, save a checkpoint, stop. A second Ctrl-C stops at once.

    It listens while it is entered, as a context manager.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def __enter__(self) -> "StopOnInterrupt":
        self._previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def on_step_end(self, args, state, control, **kwargs):
        """Save and stop when asked to."""
        if self.requested:
            control.should_save = control.should_training_stop = True

    def _request(self, signum, frame) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class AbsorbThresholds(TrainerCallback):
    """Moves the stored segment thresholds at the end of a step, so that a checkpoint holds nothing pending."""

    def on_step_end(self, args, state, control, **kwargs):
        """Absorb the last batch's quantiles."""
        for layer in kwargs["model"].hybrid_layers.values():
            layer.absorb_batch_threshold()


def tokens_per_step(recipe: Recipe) -> int:
    """Tokens of an optimiser step."""
    train = recipe.train
    return train.sequence_tokens * train.batch_sequences * train.accumulation_steps


def training_steps(recipe: Recipe) -> int:
    """Optimiser steps that cover the recipe's tokens, at least one."""
    return max(round(recipe.train.tokens / tokens_per_step(recipe)), 1)


def compute_dtype(recipe: Recipe) -> torch.dtype:
    """The dtype of matrix products in training: bfloat16 where the hardware has it, unless the recipe decides."""
    if recipe.train.compute_dtype != "auto":
        return getattr(torch, recipe.train.compute_dtype)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16", False) else torch.float32


def unify_dtype(model: MultiplMoeForCausalLM, recipe: Recipe) -> None:
    """Hold all weights in float32 where nothing casts them: it holds bfloat16 and float16 exactly."""
    if compute_dtype(recipe) == torch.float32:
        model.float()


def attention_implementation(recipe: Recipe) -> str:
    """transformers' name of the attention to train with."""
    attention = recipe.train.attention
    return fastest_attention(compute_dtype(recipe)) if attention == "auto" else attention


def mixture(recipe: Recipe, corpus: Path, weights: dict[str, float], num_sequences: int, seed: int) -> MixtureDataset:
    """The packed sequences of the corpus, mixed by `weights`.

    Raises:
        CorpusError: a language of the mixture has no tokens in the corpus.
    """
    datasets = {}
    for language in weights:
        folder = corpus / "tokens" / "train" / language
        if not folder.is_dir():
            raise CorpusError(f"train.weights: {language} has no tokens in {corpus}; add it to the corpus")
        datasets[language] = PackedTokens(folder, recipe.train.sequence_tokens)
    return MixtureDataset(datasets, weights, num_sequences, seed)


def train_stage1(
    recipe: Recipe,
    model_folder: Path,
    corpus: Path,
    output: Path,
    *,
    callbacks: Sequence[TrainerCallback] = (),
    on_audit: Callable[[Audit], None] = lambda audit: None,
) -> TrainResult:
    """Train experts and routers of a hybrid checkpoint; goes on from the last checkpoint in `output` if there is one.

    Args:
        recipe: train, seed and languages are used.
        model_folder: what to start from.
        corpus: folder that `build_corpus` wrote.
        output: run folder; gets checkpoints/ while training, model/ and training.json at the end.
        callbacks: told of every step, for progress.
        on_audit: told what trains, before it does.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        FrozenParameterError: a frozen parameter changed.
        OutputError: `output` holds a trained model.
    """
    checkpoints = output / "checkpoints"
    if checkpoints.is_dir() and not (output / "training.json").exists():
        shutil.rmtree(output / "model", ignore_errors=True)  # the run was stopped between saving it and noting so
    refuse_existing(output / "model")
    set_seed(recipe.seed)
    sequences = training_steps(recipe) * tokens_per_step(recipe) // recipe.train.sequence_tokens
    dataset = mixture(recipe, corpus, recipe.mixture_weights, sequences, recipe.seed)
    calibration = list(calibration_batches(recipe, corpus))
    model = load_hybrid(model_folder)
    model.set_attn_implementation(attention_implementation(recipe))
    storage_dtype = model.lm_head.weight.dtype
    audit = prepare_stage1(model)
    on_audit(audit)
    before = frozen_hashes(model)
    unify_dtype(model, recipe)
    interrupt = StopOnInterrupt()
    trainer = OrderedTrainer(
        model=model,
        args=_arguments(recipe, checkpoints),
        train_dataset=dataset,
        callbacks=[interrupt, AbsorbThresholds(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    last = get_last_checkpoint(checkpoints) if checkpoints.is_dir() else None
    with interrupt:
        outcome = trainer.train(resume_from_checkpoint=last)
    if interrupt.requested:
        raise KeyboardInterrupt
    _calibrate(recipe, model, calibration)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(storage_dtype)
    digest = verify_frozen(model, before)
    result = TrainResult(
        output / "model",
        audit,
        digest,
        tokens=sequences * recipe.train.sequence_tokens,
        seconds=outcome.metrics["train_runtime"],
        steps=training_steps(recipe),
    )
    with staged_folder(output / "model") as staging:
        model.save_pretrained(staging)
        copy_companions(model_folder, staging)
    write_json(output / "training.json", result.to_json())
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def _calibrate(recipe: Recipe, model: MultiplMoeForCausalLM, batches: list[dict[str, torch.Tensor]]) -> None:
    dtype = compute_dtype(recipe)
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        calibrate_thresholds(model, batches)


def calibration_batches(recipe: Recipe, corpus: Path) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of training text of all languages, learn and keep alike, that set the segment thresholds."""
    train = recipe.train
    present = {name: 1.0 for name in recipe.languages if (corpus / "tokens" / "train" / name).is_dir()}
    num_sequences = max(train.calibration_tokens // train.sequence_tokens, 2)
    dataset = mixture(recipe, corpus, present, num_sequences, recipe.seed + _CALIBRATION_SEED_OFFSET)
    rows = min(_CALIBRATION_ROWS, num_sequences)
    for begin in range(0, num_sequences - num_sequences % rows, rows):
        items = [dataset[index] for index in range(begin, begin + rows)]
        yield {key: torch.stack([item[key] for item in items]) for key in ("input_ids", "position_ids")}


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
