"""Stage 2 (MoE-LPR's review): routers learn to leave what is to keep to the frozen expert; nothing else moves."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Unpack

import torch
from transformers import AutoTokenizer, PreTrainedModel

from multipl_moe.checkpoints.loading import held_in_fast_dtype, load_config, require_positions
from multipl_moe.data.calibration_data import calibration_batches, expert_use_batches
from multipl_moe.errors import ConfigError
from multipl_moe.model.calibration import observe_inputs
from multipl_moe.model.expert_use import measure_expert_use
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import write_json
from multipl_moe.runs.provenance import STAGE1_FILE, stage1_record
from multipl_moe.system.launch import num_processes
from multipl_moe.train.freezing import TrainableParameters, freeze_all_but
from multipl_moe.train.result import TrainResult
from multipl_moe.train.review_trainer import ReviewTrainer
from multipl_moe.train.trainer import Hooks, TrainingStage, run_stage

_GROUPS = {"token routers": ".token_router.", "segment routers": ".segment_router."}


def review_model(recipe: Recipe, model_folder: Path, corpus: Path, output: Path, **hooks: Unpack[Hooks]) -> TrainResult:
    """Train the routers of a hybrid on a replay of the languages to keep beside those to learn. See `run_stage`.

    Where segment experts choose without thresholds (`paper`), they take their share of any text, so there the segment
    routers stay frozen too.

    Raises:
        ConfigError: there is nothing to review, or there are several processes or GPUs.
        UserError: as in `run_stage`.
    """
    _require_one_process()
    trainer = partial(ReviewTrainer, keep=recipe.keep, coefficient=recipe.review.coefficient)
    stage = TrainingStage("review", _prepare, _Finish, trainer, settings=review_stage)
    return run_stage(stage, recipe, model_folder, corpus, output, **hooks)


def review_stage(recipe: Recipe) -> Recipe:
    """The recipe with the tokens, learning rate and mixture of its section `review` in `train`, for one process.

    Raises:
        ConfigError: there is no language to keep.
    """
    if not recipe.keep:
        raise ConfigError("keep: [] leaves nothing to review; name the languages to keep")
    chosen = recipe.review
    values = {"tokens": chosen.tokens, "learning_rate": chosen.learning_rate, "replay": chosen.replay}
    values |= {"method": "experts", "distribution": "auto", "weights": None, "language_tokens": None, "skip_tokens": 0}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=values)})


def router_names(model: MultiplMoeForCausalLM) -> set[str]:
    """Names of the parameters that stage 2 trains: router matrices, those of segments only where thresholds decide."""
    names = set()
    for index, layer in model.hybrid_layers.items():
        prefix = f"model.layers.{index}.mlp"
        if layer.moe.num_token_experts > 1:
            names.add(f"{prefix}.token_router.weight")
        if layer.moe.has_thresholds:
            names.add(f"{prefix}.segment_router.weight")
    return names


class _Finish:
    """What makes a reviewed model ready for use; its text is read before training, so that a lack is told then."""

    def __init__(self, stage: Recipe, model_folder: Path, corpus: Path) -> None:
        longest = stage.train.calibration_sequence_tokens
        require_positions(load_config(model_folder), longest, "train.calibration_sequence_tokens")
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        self._text = {role: list(calibration_batches(stage, corpus, tokenizer, role)) for role in ("learn", "keep")}
        self._expert_use = expert_use_batches(stage, corpus)
        self._keep_load = stage.review.keep_load
        self._stage1 = stage1_record(model_folder)

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        assert isinstance(model, MultiplMoeForCausalLM)
        with held_in_fast_dtype(model):
            calibrate_after_review(model, self._text["learn"], self._text["keep"], keep_load=self._keep_load)
            measure_expert_use(model, self._expert_use).save(folder)
        model.save_pretrained(folder)
        if self._stage1 is not None:
            write_json(folder / STAGE1_FILE, self._stage1)


def _prepare(model: PreTrainedModel, stage: Recipe) -> TrainableParameters:
    assert isinstance(model, MultiplMoeForCausalLM)
    parameters = freeze_all_but(model, router_names(model), _GROUPS)
    if not parameters.trained:
        raise ConfigError("review: the model has no router that could learn to leave a language alone")
    return parameters


def _require_one_process() -> None:
    if torch.cuda.device_count() > 1:
        raise ConfigError("review: one GPU is used, but there are several; choose it, as with CUDA_VISIBLE_DEVICES=0")
    if num_processes() > 1:
        raise ConfigError("review: its thresholds are those of one process; start it without torchrun")


@torch.no_grad()
def calibrate_after_review(
    model: MultiplMoeForCausalLM,
    learn: Iterable[dict[str, torch.Tensor]],
    keep: Iterable[dict[str, torch.Tensor]],
    *,
    keep_load: float,
    passes: int = 2,
) -> None:
    """Store thresholds from batches of both roles, each for what it has to say; models without any stay.

    Quantiles over all languages, as after stage 1, would give segments to keep their share by capacity alone. Here an
    expert takes capacity / E_s of the segments to *learn*; where more than `keep_load` (above 0; 1 sets no bound) of
    the segments to keep would reach that threshold, it rises to where that share does, and the expert takes less of
    the languages to learn. Equal gates, as of all first segments, are taken or left together (`quantile_threshold`).

    All passes route as in evaluation, with the thresholds that the last one stored.
    """
    moe = model.config.moe_config
    if not moe.has_thresholds:
        return
    texts = {"learn": list(learn), "keep": list(keep)}
    for _ in range(passes):
        seen = {role: observe_inputs(model.model, batches, as_in_training=False) for role, batches in texts.items()}
        for index, layer in model.hybrid_layers.items():
            wanted = quantile_threshold(seen["learn"][index].gates, moe.segment_capacity)
            bound = quantile_threshold(seen["keep"][index].gates, keep_load * moe.num_segment_experts)
            layer.segment_threshold.copy_(torch.maximum(wanted, bound))
            layer.forget_noted()
