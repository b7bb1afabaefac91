"""Stage 2 (MoE-LPR's review): routers learn to leave what is to keep to the frozen expert; nothing else moves."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, TrainerCallback, set_seed

from multipl_moe.errors import ConfigError
from multipl_moe.loading import load_hybrid
from multipl_moe.model.expert_use import measure_expert_use
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe import Recipe
from multipl_moe.run_folder import write_json
from multipl_moe.staging import copy_companions, refuse_existing, staged_folder
from multipl_moe.train.callbacks import TrainingClock
from multipl_moe.train.data import calibration_batches, expert_use_batches, require_same_tokenizer, training_data
from multipl_moe.train.loop import fit
from multipl_moe.train.review_calibration import calibrate_after_review
from multipl_moe.train.review_trainer import ReviewTrainer, uses_thresholds
from multipl_moe.train.settings import attention_implementation, tokens_per_step, training_steps, unify_dtype
from multipl_moe.train.stages import Audit, freeze_all_but, frozen_hashes, verify_frozen
from multipl_moe.train.trainer import TrainResult

_GROUPS = {"token routers": ".token_router.", "segment routers": ".segment_router."}


def review_model(
    recipe: Recipe,
    model_folder: Path,
    corpus: Path,
    output: Path,
    *,
    callbacks: Sequence[TrainerCallback] = (),
    on_audit: Callable[[Audit], None] = lambda audit: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> TrainResult:
    """Train the routers of a hybrid on a replay of the languages to keep beside those to learn.

    Goes on from the last checkpoint in `output` if there is one. Where segment experts choose without thresholds
    (`paper`), they take their share of any text, so there the segment routers stay frozen too.

    Args:
        recipe: review, train (but tokens, learning rate and mixture), seed and languages are used.
        model_folder: hybrid checkpoint, after stage 1.
        corpus: folder that `build_corpus` wrote.
        output: run folder; gets checkpoints/ while training, model/ and training.json at the end.
        callbacks: told of every step, for progress.
        on_audit: told what trains, before it does.
        on_interrupt: called at the first Ctrl-C, when the step will still be finished and saved.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, after saving a checkpoint.
        BaseModelError: the model is no hybrid.
        ConfigError: there is nothing to review, or there are several processes or GPUs.
        CorpusError: the corpus lacks a language, or was tokenised for another model.
        FrozenParameterError: a frozen parameter changed.
        OutputError: `output` holds a trained model.
    """
    _require_one_process()
    stage = review_stage(recipe)
    checkpoints = output / "checkpoints"
    if checkpoints.is_dir() and not (output / "training.json").exists():
        shutil.rmtree(output / "model", ignore_errors=True)  # the run was stopped between saving it and noting so
    refuse_existing(output / "model")
    set_seed(stage.seed)
    sequences = training_steps(stage) * tokens_per_step(stage) // stage.train.sequence_tokens
    dataset = training_data(stage, corpus, sequences)
    model = load_hybrid(model_folder)
    require_same_tokenizer(model_folder, corpus)
    finish = _Finish(stage, model_folder, corpus)
    model.set_attn_implementation(attention_implementation(stage))
    storage_dtype = model.dtype
    audit = freeze_all_but(model, router_names(model), _GROUPS)
    if not audit.trained:
        raise ConfigError(f"review: {model_folder} has no router that could learn to leave a language alone")
    on_audit(audit)
    before = frozen_hashes(model)
    unify_dtype(model, stage)
    clock = TrainingClock(checkpoints)
    fit(
        stage,
        model,
        dataset,
        checkpoints,
        [clock, *callbacks],
        on_interrupt,
        frozen=before,
        trainer_class=ReviewTrainer,
    )
    for parameter in model.parameters():
        parameter.data = parameter.data.to(storage_dtype)
    frozen_sha256 = verify_frozen(model, before)
    tokens = sequences * stage.train.sequence_tokens
    result = TrainResult(output / "model", audit, frozen_sha256, tokens, clock.seconds, training_steps(stage))
    with staged_folder(output / "model") as staging:
        finish.save(model, staging)
        copy_companions(model_folder, staging)
    write_json(output / "training.json", result.to_json())
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def review_stage(recipe: Recipe) -> Recipe:
    """The recipe with the tokens, learning rate and mixture of its section `review` in `train`.

    Raises:
        ConfigError: there is no language to keep.
    """
    if not recipe.keep:
        raise ConfigError("keep: [] leaves nothing to review; name the languages to keep")
    chosen = recipe.review
    values = {"tokens": chosen.tokens, "learning_rate": chosen.learning_rate, "replay": chosen.replay}
    values |= {"weights": None, "skip_tokens": 0}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=values)})


def router_names(model: MultiplMoeForCausalLM) -> set[str]:
    """Names of the parameters that stage 2 trains: router matrices, those of segments only where thresholds decide."""
    names = set()
    for index, layer in model.hybrid_layers.items():
        prefix = f"model.layers.{index}.mlp"
        if layer.moe.num_token_experts > 1:
            names.add(f"{prefix}.token_router.weight")
        if uses_thresholds(layer):
            names.add(f"{prefix}.segment_router.weight")
    return names


class _Finish:
    """What makes a reviewed model ready for use; its text is read before training, so that a lack is told then."""

    def __init__(self, stage: Recipe, model_folder: Path, corpus: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        self._text = {role: list(calibration_batches(stage, corpus, tokenizer, role)) for role in ("learn", "keep")}
        self._expert_use = expert_use_batches(stage, corpus)
        self._keep_load = stage.review.keep_load

    def save(self, model: MultiplMoeForCausalLM, folder: Path) -> None:
        calibrate_after_review(model, self._text["learn"], self._text["keep"], keep_load=self._keep_load)
        measure_expert_use(model, self._expert_use).save(folder)
        model.save_pretrained(folder)


def _require_one_process() -> None:
    if torch.cuda.device_count() > 1:
        raise ConfigError("review: one GPU is used, but there are several; choose it, as with CUDA_VISIBLE_DEVICES=0")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("review: its thresholds are those of one process; start it without torchrun")
