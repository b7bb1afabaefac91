"""A training run: a model and a corpus in, a trained checkpoint and the proof of what stayed frozen out."""

import gc
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from transformers import PreTrainedModel, TrainerCallback, set_seed

from multipl_moe.checkpoints.linked import save_beside_base
from multipl_moe.checkpoints.loading import held_in_fast_dtype, load_config, require_positions
from multipl_moe.checkpoints.tensors import copy_companions
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.calibration_data import (
    calibration_batches,
    expert_use_batches,
    require_known_tokens,
    require_same_tokenizer,
)
from multipl_moe.data.training_data import MixtureSummary, TrainingData, training_data
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_use import measure_expert_use
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import open_run
from multipl_moe.system.device import dtype_name, move_to_best_device
from multipl_moe.system.launch import is_main, preemptible
from multipl_moe.system.staging import held_folder, refuse_existing, staged_folder
from multipl_moe.train.callbacks import TrainingClock
from multipl_moe.train.checkpoints import (
    full_disk_explained,
    require_checkpoint_space,
    require_finite,
    trained_state,
)
from multipl_moe.train.freezing import TrainableParameters, frozen_hashes, hash_of, verify_frozen
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.hybrid_recipe import recipe_of_hybrid
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import load_for_training, merge_adapters, prepare
from multipl_moe.train.processes import join, main_first, wait_for_all
from multipl_moe.train.quantised import quantise_frozen, require_quantisation
from multipl_moe.train.result import TrainResult, licences_of_all, tokens_trained, training_record
from multipl_moe.train.rising_loss import RisingLoss
from multipl_moe.train.setup import TrainingSetup, require_a_step, require_optimizer, require_processes
from multipl_moe.train.sharding import full_weights, is_sharded
from multipl_moe.train.trackers import require_trackers, tracking


class Hooks(TypedDict, total=False):
    """Whom a run tells what.

    `callbacks` are told of every step. In the main process `on_audit` is told what trains, before it does, and then
    `on_data` what will be read, and `on_note` in a line each which rate was found, and what goes wrong meanwhile.
    `on_interrupt` is called at the first Ctrl-C, when the step will still be finished.
    """

    callbacks: Sequence[TrainerCallback]
    on_audit: Callable[[TrainableParameters], object]
    on_data: Callable[[MixtureSummary], object]
    on_note: Callable[[str], object]
    on_interrupt: Callable[[], object]


def train_model(recipe: Recipe, model_folder: Path, corpus: Path, output: Path, **hooks: Unpack[Hooks]) -> TrainResult:
    """Train a model as `train.method` says, and prove what stayed frozen.

    Goes on from the last checkpoint in `output` if there is one.
    In every process that torchrun started it must be called alike; the main one writes, and all return when it has.

    Args:
        model_folder: what to start from: a hybrid checkpoint for the method `experts`, else a dense model.
        corpus: folder that `build_corpus` wrote.
        output: run folder; gets recipe.yaml unless it has one, checkpoints/, at the end model/ and training.json.

    Raises:
        KeyboardInterrupt, Preempted: stopped by Ctrl-C, SIGTERM or SIGHUP, after saving a checkpoint.
        FrozenParameterError: a frozen parameter changed.
        HeldError: another process, or this one elsewhere, is at `output`.
        UserError: recipe, model, corpus and machine do not go together, `output` holds a trained model, its disk has no
            room, or a step was not finite.
    """
    with held_folder(output) if is_main() else nullcontext():
        return train_in_held_folder(recipe, model_folder, corpus, output, **hooks)


@preemptible()
def train_in_held_folder(
    recipe: Recipe, model_folder: Path, corpus: Path, output: Path, **hooks: Unpack[Hooks]
) -> TrainResult:
    """What `train_model` does, for callers that hold `output` for longer, as the commands do."""
    _enter(recipe, output)
    is_new = not (output / "recipe.yaml").is_file()
    recorded = recipe_of_hybrid(recipe, model_folder)
    setup = TrainingSetup.of(recorded)  # not before the processes have their devices
    set_seed(recipe.seed)
    dataset, held_out, finish, model = _load(recipe, setup, model_folder, corpus)
    dtype, parameters = model.dtype, prepare(model, recipe)
    if is_main():
        hooks.get("on_audit", _ignore)(parameters)
        hooks.get("on_data", _ignore)(dataset.summary)
    frozen = frozen_hashes(model)
    model_bytes = model.num_parameters() * dtype.itemsize
    if recipe.train.quantise is not None:
        quantise_frozen(model, setup.dtype)
    setup.unify_dtype(model)
    require_checkpoint_space(setup, model, output / "checkpoints", model_bytes)
    if is_main() and is_new:
        open_run(output, recorded)
    told = _fit(setup, model, dataset, held_out, frozen, output, hooks)
    is_whole = recipe.train.quantise is None and not is_sharded(model)
    trained = _held_in(dtype, model) if is_whole else _whole(model, setup, model_folder, dtype)
    del model  # where it is not whole, it makes room for the one that is
    gc.collect()
    counts = CorpusManifest.load(corpus).languages
    result = TrainResult(
        model_folder=output / "model",
        audit=parameters,
        frozen_sha256=hash_of(frozen) if trained is None else verify_frozen(trained, frozen),
        tokens=setup.num_sequences * recipe.train.sequence_tokens,
        tokens_before=tokens_trained(model_folder),
        steps=setup.steps,
        compute_dtype=dtype_name(setup.dtype),
        quantise=recipe.train.quantise,
        data=dataset.summary.to_json(),
        decontamination=training_record(model_folder, corpus),
        corpus=str(corpus.resolve()),
        licences=licences_of_all(model_folder, {name: counts[name].licences for name in dataset.summary.languages}),
        **told,
    )
    if trained is not None and is_main():
        _write(result, trained, finish, model_folder, output)
    wait_for_all()
    return result


def _ignore(*told: object) -> None:
    pass


def _enter(recipe: Recipe, output: Path) -> None:
    """Refuse what cannot be trained here, before anything is loaded."""
    require_trackers(recipe.train.trackers)
    require_a_step(recipe.train)
    require_optimizer(recipe.train.optimizer)
    require_processes(recipe.train)
    join()
    with main_first():
        if (output / "checkpoints").is_dir() and not (output / "training.json").exists():
            shutil.rmtree(output / "model", ignore_errors=True)  # the run was stopped between saving it and noting so
        refuse_existing(output / "model")


def _load(
    recipe: Recipe, setup: TrainingSetup, start: Path, corpus: Path
) -> tuple[TrainingData, HeldOut | None, "_CalibrateAndMerge", PreTrainedModel]:
    """Everything that is read, also what is needed at the end: what is missing is told now."""
    dataset = training_data(recipe, corpus, setup.num_sequences)
    require_quantisation(recipe.train, load_config(start))
    model = load_for_training(recipe.train, start)
    require_positions(model.config, recipe.train.sequence_tokens, "train.sequence_tokens")
    require_same_tokenizer(start, corpus)
    require_known_tokens(corpus, model.config.get_text_config().vocab_size)
    finish = _CalibrateAndMerge(recipe, start, corpus)
    held_out = HeldOut.read(recipe, corpus, start) if recipe.train.eval_every_steps is not None else None
    setup.use_attention(model)
    return dataset, held_out, finish, model


def _fit(
    setup: TrainingSetup,
    model: PreTrainedModel,
    dataset: TrainingData,
    held_out: HeldOut | None,
    frozen: dict[str, str],
    output: Path,
    hooks: Hooks,
) -> dict[str, Any]:
    """Train; returns what `TrainResult` has of it, under the same names."""
    clock, on_note = TrainingClock(output / "checkpoints"), hooks.get("on_note", _ignore)
    rise = RisingLoss(dataset, setup, output / "checkpoints", on_note)
    with tracking(setup.train.trackers, output) as trackers:
        trainer = fit(
            setup,
            model,
            dataset,
            output / "checkpoints",
            [rise, clock, *hooks.get("callbacks", ()), *trackers],
            hooks.get("on_interrupt", _ignore),
            on_note,
            held_out=held_out,
            frozen=frozen,
            order_sha256=dataset.summary.order_sha256,
        )
    return {
        "learning_rate": trainer.args.learning_rate,
        "best_step": trainer.best_step,
        "warnings": [] if rise.warning is None else [rise.warning],
        **asdict(clock.cost),
    }


def _whole(
    trained: PreTrainedModel, setup: TrainingSetup, model_folder: Path, dtype: torch.dtype
) -> PreTrainedModel | None:
    """A sharded or quantised model whole, in main memory and in a dtype, in the main process; None in the others.

    What is loaded lends its structure alone: a loaded weight is a part of the file, which nobody reads, until the
    trained one takes its place. So there is one copy of the weights, less than what they were gathered in.
    """
    learns = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    weights = full_weights(trained) if is_sharded(trained) else trained_state(trained)
    if not is_main():
        return None
    model = load_for_training(setup.train, model_folder)
    setup.use_attention(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learns)
    for name in weights.keys() & dict(model.named_parameters(remove_duplicate=False)).keys():
        weights[name] = weights[name].detach().cpu().to(dtype)
    model.load_state_dict(weights, assign=True, strict=is_sharded(trained))  # of a quantised base none is among them
    model.tie_weights()
    return model


def _held_in(dtype: torch.dtype, model: PreTrainedModel) -> PreTrainedModel:
    """The model with all weights in a dtype, of which float32 masters were rounded; buffers keep theirs."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def _write(
    result: TrainResult, model: PreTrainedModel, finish: "_CalibrateAndMerge", start: Path, output: Path
) -> None:
    checkpoints = output / "checkpoints"
    if finish.computes:  # else a base that trained in 4 bits need not fit whole
        move_to_best_device(model)
    require_finite(model, checkpoints)
    with full_disk_explained(checkpoints), staged_folder(result.model_folder) as staging:
        finish.save(model, start, staging)
        copy_companions(start, staging)
    result.write(output / "training.json")
    shutil.rmtree(checkpoints, ignore_errors=True)


class _CalibrateAndMerge:
    """Makes a trained model ready for use and saves it: thresholds set, use of experts noted, adapters merged.

    Text that this needs is read before training, so that a corpus that lacks it is refused then.
    """

    def __init__(self, recipe: Recipe, model_folder: Path, corpus: Path) -> None:
        self._calibration, self._expert_use = [], {}
        config = load_config(model_folder)
        if isinstance(config, MultiplMoeConfig):
            require_positions(config, recipe.train.calibration_sequence_tokens, "train.calibration_sequence_tokens")
            if config.moe_config.is_routed:
                self._expert_use = expert_use_batches(recipe, corpus, config.moe_config.gate.languages)
            if config.moe_config.stores_routing:
                tokenizer = load_tokenizer(model_folder)
                role = "learn" if config.moe_config.gate.languages else None  # elsewhere no router is asked
                self._calibration = calibration_batches(recipe, corpus, tokenizer, role)

    @property
    def computes(self) -> bool:
        """Whether the model reads anything."""
        return bool(self._calibration or self._expert_use)

    def save(self, model: PreTrainedModel, start: Path, folder: Path) -> None:
        if isinstance(model, MultiplMoeForCausalLM):
            with held_in_fast_dtype(model):
                calibrate_routing(model, self._calibration)
                if self._expert_use:
                    measure_expert_use(model, self._expert_use).save(folder)
        save_beside_base(merge_adapters(model), start, folder)
