"""A training run: a model and a corpus in, a trained checkpoint and the proof of what stayed frozen out."""

import gc
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import torch
from transformers import AutoTokenizer, PreTrainedModel, TrainerCallback, set_seed

from multipl_moe.checkpoints.companions import copy_companions
from multipl_moe.checkpoints.loading import held_in_fast_dtype, load_config, require_positions
from multipl_moe.checkpoints.new_tokens import dense_start
from multipl_moe.data.calibration_data import calibration_batches, expert_use_batches, require_same_tokenizer
from multipl_moe.data.training_data import MixtureSummary, training_data
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_use import measure_expert_use
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import write_json
from multipl_moe.system.device import dtype_name, move_to_best_device
from multipl_moe.system.launch import is_main
from multipl_moe.system.preemption import preemptible
from multipl_moe.system.staging import refuse_existing, staged_folder
from multipl_moe.train.callbacks import TrainingClock
from multipl_moe.train.checkpoints import full_disk_explained, require_checkpoint_space
from multipl_moe.train.decontamination import training_record
from multipl_moe.train.freezing import Audit, frozen_hashes, hash_of, verify_frozen
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import load_for_training, merge_adapters, prepare
from multipl_moe.train.new_rows import fold_new_rows, is_new_rows, let_new_rows_learn
from multipl_moe.train.ordered_trainer import OrderedTrainer
from multipl_moe.train.processes import join, main_first, wait_for_all
from multipl_moe.train.result import TrainResult
from multipl_moe.train.settings import (
    attention_implementation,
    compute_dtype,
    distribution,
    optimizer_name,
    tokens_per_step,
    training_steps,
    unify_dtype,
)
from multipl_moe.train.sharding import full_weights, is_sharded
from multipl_moe.train.trackers import require_trackers, tracking


class Finish(Protocol):
    """Makes a trained model ready for use and saves it. Text that this needs is read before training, so that a corpus
    that lacks it is refused then."""

    def save(self, model: PreTrainedModel, folder: Path, /) -> None:
        """Write the model into a folder."""


@dataclass(frozen=True)
class Stage:
    """What sets a stage apart.

    Attributes:
        name: `train` or `review`.
        prepare: freezes what does not learn; tells what does.
        finish: given the recipe, the folder of the model that training starts from and the corpus.
        trainer_class: has the stage's loss.
    """

    name: str
    prepare: Callable[[PreTrainedModel, Recipe], Audit]
    finish: Callable[[Recipe, Path, Path], Finish]
    trainer_class: type[OrderedTrainer] = OrderedTrainer


class Hooks(TypedDict, total=False):
    """Whom a run tells what; see `run_stage`."""

    callbacks: Sequence[TrainerCallback]
    on_audit: Callable[[Audit], None]
    on_data: Callable[[MixtureSummary], None]
    on_interrupt: Callable[[], None]


def train_model(recipe: Recipe, model_folder: Path, corpus: Path, output: Path, **hooks: Unpack[Hooks]) -> TrainResult:
    """Train a model as `train.method` says: stage 1 of a hybrid, or the dense base. See `run_stage`."""
    return run_stage(Stage("train", prepare, _CalibrateAndMerge), recipe, model_folder, corpus, output, **hooks)


@preemptible()
def run_stage(
    stage: Stage,
    recipe: Recipe,
    model_folder: Path,
    corpus: Path,
    output: Path,
    *,
    callbacks: Sequence[TrainerCallback] = (),
    on_audit: Callable[[Audit], None] = lambda audit: None,
    on_data: Callable[[MixtureSummary], None] = lambda summary: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> TrainResult:
    """Train, prove what stayed frozen, finish; goes on from the last checkpoint in `output` if there is one.

    In every process that torchrun started it must be called alike; the main one writes, and all return when it has.

    Args:
        stage: what to do.
        recipe: train, seed and languages are used.
        model_folder: what to start from: a hybrid checkpoint for the method `experts`, else a dense model.
        corpus: folder that `build_corpus` wrote.
        output: run folder; gets checkpoints/ while training, model/ and training.json at the end.
        callbacks: told of every step, for progress.
        on_audit: told what trains, before it does.
        on_data: told after it what will be read.
        on_interrupt: called at the first Ctrl-C, when the step will still be finished and saved.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        Preempted: stopped by SIGTERM, likewise.
        BaseModelError: the model is not of the kind that the method trains.
        ConfigError: processes, GPUs or optimiser would not be used as the recipe says, a language would be read too
            often, or sequences are longer than the model can read.
        CorpusError: the corpus lacks a language, or was tokenised for another model.
        FrozenParameterError: a frozen parameter changed.
        OutputError: `output` holds a trained model, or the disk has no room.
        TrainingError: a bad step, where `train.on_bad_step` says to stop, or too many in a row.
    """
    checkpoints = output / "checkpoints"
    start = _enter(recipe, model_folder, output, checkpoints)
    set_seed(recipe.seed)
    sequences = training_steps(recipe) * tokens_per_step(recipe) // recipe.train.sequence_tokens
    dataset = training_data(recipe, corpus, sequences)
    model = load_for_training(recipe, start)
    require_positions(model.config, recipe.train.sequence_tokens, "train.sequence_tokens")
    require_same_tokenizer(start, corpus)
    finish = stage.finish(recipe, start, corpus)
    held_out = HeldOut.read(recipe, corpus, start) if recipe.train.eval_every_steps is not None else None
    model.set_attn_implementation(attention_implementation(model, recipe))
    storage_dtype = model.dtype
    audit = stage.prepare(model, recipe)
    if is_main():
        on_audit(audit)
        on_data(dataset.summary)
    before = frozen_hashes(model)
    unify_dtype(model, recipe)
    require_checkpoint_space(recipe, model, checkpoints, model.num_parameters() * storage_dtype.itemsize)
    clock = TrainingClock(checkpoints)
    with tracking(recipe, output) as trackers:
        fitted = fit(
            recipe,
            model,
            dataset,
            checkpoints,
            [clock, *callbacks, *trackers],
            on_interrupt,
            held_out=held_out,
            frozen=before,
            order_sha256=dataset.summary.order_sha256,
            trainer_class=stage.trainer_class,
        )
    if is_sharded(model):
        trained = _whole(model, recipe, start, storage_dtype)
        del model  # its parts make room for the whole
        gc.collect()
    else:
        trained = _held_in(storage_dtype, model)
    result = TrainResult(
        stage.name,
        output / "model",
        audit,
        frozen_sha256=hash_of(before) if trained is None else verify_frozen(trained, before),
        tokens=sequences * recipe.train.sequence_tokens,
        seconds=clock.seconds,
        steps=training_steps(recipe),
        compute_dtype=dtype_name(compute_dtype(recipe)),
        skipped_steps=fitted.skipped_steps,
        best_step=fitted.best_step,
        data=dataset.summary.to_json(),
        decontamination=training_record(start, corpus),
    )
    if trained is not None:
        fold_new_rows(trained)
        if is_main():
            _write(result, trained, finish, start, output)
    wait_for_all()
    return result


def _enter(recipe: Recipe, model_folder: Path, output: Path, checkpoints: Path) -> Path:
    """Refuse what cannot be trained here, before anything is loaded; returns the model to start from."""
    require_trackers(recipe)
    optimizer_name(recipe)
    distribution(recipe)
    join()
    with main_first():
        if checkpoints.is_dir() and not (output / "training.json").exists():
            shutil.rmtree(output / "model", ignore_errors=True)  # the run was stopped between saving it and noting so
        refuse_existing(output / "model")
        if recipe.train.trains_hybrid:
            return model_folder
        return dense_start(recipe, model_folder, output / "start")


def _whole(sharded: PreTrainedModel, recipe: Recipe, model_folder: Path, dtype: torch.dtype) -> PreTrainedModel | None:
    """The trained model in one piece, in main memory and in a dtype, in the main process; None in the others.

    What is loaded lends its structure alone: a loaded weight is a part of the file, which nobody reads, until the
    trained one takes its place. So there is one copy of the weights, less than what they were gathered in.
    """
    learns = {name for name, parameter in sharded.named_parameters() if parameter.requires_grad}
    weights = full_weights(sharded)
    if not is_main():
        return None
    model = load_for_training(recipe, model_folder)
    model.set_attn_implementation(attention_implementation(model, recipe))
    if any(map(is_new_rows, learns)):
        let_new_rows_learn(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learns)
    for name, _ in model.named_parameters(remove_duplicate=False):
        weights[name] = weights[name].to(dtype)
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model


def _held_in(dtype: torch.dtype, model: PreTrainedModel) -> PreTrainedModel:
    """The model with all weights in a dtype, of which float32 masters were rounded; buffers keep theirs."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def _write(result: TrainResult, model: PreTrainedModel, finish: Finish, start: Path, output: Path) -> None:
    """The trained model, then the note that it is whole; what only an unfinished run needs goes last."""
    checkpoints = output / "checkpoints"
    move_to_best_device(model)
    with full_disk_explained(checkpoints), staged_folder(result.model_folder) as staging:
        finish.save(model, staging)
        copy_companions(start, staging)
    write_json(output / "training.json", result.to_json())
    for leftover in (checkpoints, output / "start"):
        shutil.rmtree(leftover, ignore_errors=True)


class _CalibrateAndMerge:
    """Thresholds set on training text, use of experts noted, adapters merged."""

    def __init__(self, recipe: Recipe, model_folder: Path, corpus: Path) -> None:
        self._calibration, self._expert_use = [], {}
        config = load_config(model_folder)
        if isinstance(config, MultiplMoeConfig):
            require_positions(config, recipe.train.calibration_sequence_tokens, "train.calibration_sequence_tokens")
            self._expert_use = expert_use_batches(recipe, corpus)
            if config.moe_config.stores_routing:
                tokenizer = AutoTokenizer.from_pretrained(model_folder)
                self._calibration = list(calibration_batches(recipe, corpus, tokenizer))

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        if isinstance(model, MultiplMoeForCausalLM):
            with held_in_fast_dtype(model):
                calibrate_routing(model, self._calibration)
                measure_expert_use(model, self._expert_use).save(folder)
        merge_adapters(model).save_pretrained(folder)
