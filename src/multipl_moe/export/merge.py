"""Folding a hybrid into a dense model of the base's own architecture, for programs that know no hybrid layer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import TRAINED_KEY, CheckpointReader, TensorPlan, write_checkpoint
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.eval.language_scores import score_folder
from multipl_moe.eval.outcome import has_gain, outcome_sentence
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.export.weights import cast_plan, plan_cast
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.expert_use import EXPERT_USE_FILE, ExpertUse, expert_names
from multipl_moe.model.families import family_of
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import MergeCost

_SHARED_KEY = re.compile(r"^(?P<prefix>.*layers\.(?P<layer>\d+)\.mlp\.)shared_expert\.(?P<part>.+)\.(?P<kind>[^.]+)$")


def merge_to_dense(
    model: Path, staging: Path, dtype: torch.dtype | None = None, languages: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a dense model (config.json and safetensors) whose feed-forward blocks are means of a hybrid's experts.

    Where nothing routes it is the model with its gate open: the expert's matrices, or W + s B A. Else, with m_e the
    mean weight of expert e on the languages, each counting alike, and M the sum of the m_e, the shared expert's
    included, each matrix (and bias) of a hybrid layer becomes

        W = W_shared + sum over trained experts of m_e / M * (W_e - W_shared)

    and the matrix and the bias that lead back to the hidden size are then multiplied by M, which is 1 with `normalized`
    fusion: a `fixed` fusion whose weights do not sum to 1 keeps its scale. Where all experts are copies, the base comes
    out to the bit. The mean of functions that are not linear is not the function of the mean: `merge_cost` measures
    what is lost. (Twice the differences, in the manner of task arithmetic, fit training text of the new languages
    better, but held-out text worse.)

    Tensors are read one at a time, the stacked experts of one layer being the largest.

    Args:
        model: folder of a trained hybrid.
        staging: existing folder to write into; the tokenizer and other companions are the caller's.
        dtype: of the result; None keeps the checkpoint's.
        languages: whose use of the experts decides, where routers choose; by default all that were measured.

    Returns:
        JSON-ready: the `languages`, and by `layers` the mean weight of each expert by its name, where routers choose.

    Raises:
        BaseModelError: the model was never trained.
        ConfigError: the use of its experts was not measured in one of the languages.
        OutputError: a value is too large for `dtype`.
    """
    config = load_config(model)
    assert isinstance(config, MultiplMoeConfig)
    plans, found = _plan(model, config, dtype, languages)
    write_checkpoint(plans, staging)
    base = config.base_config
    base.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[base.model_type]]
    base.dtype = dtype or config.dtype
    base.save_pretrained(staging)
    return found


def _plan(
    model: Path, config: MultiplMoeConfig, dtype: torch.dtype | None, languages: Sequence[str]
) -> tuple[list[TensorPlan], dict[str, Any]]:
    if not config.moe_config.is_routed:
        if languages:
            raise ConfigError("--merge-for: this model has one expert a layer, for all its languages; leave it out")
        return _plan_open(model, config, dtype), {"languages": list(config.moe_config.gate.languages), "layers": {}}
    if (use := ExpertUse.load(model)) is None:
        raise BaseModelError(f"model: {model} has no {EXPERT_USE_FILE}, which `train` writes; train the hybrid first")
    use.require_fit(model, config.moe_config)
    if unknown := [name for name in languages if name not in use.languages]:
        raise ConfigError(f"--merge-for: {', '.join(unknown)} not measured; measured: {', '.join(use.languages)}")
    names, mean = expert_names(config.moe_config), use.mean(languages)
    layers = {index: dict(zip(names, weights.tolist(), strict=True)) for index, weights in mean.items()}
    found = {"languages": list(languages or use.languages), "layers": layers}
    return _plan_mean(model, config, dtype, mean), found


def merge_cost(
    recipe: Recipe,
    base: str,
    hybrid: Path,
    dense: Path,
    corpus: Path,
    on_step: Callable[[str], None] = lambda told: None,
) -> MergeCost:
    """What merging costs, and what of the gain stays: bits per byte of all three models on the corpus' held-out files.

    Args:
        recipe: languages, eval and seed are used.
        base: what the hybrid was made from, by any name that a recipe can have.
        hybrid, dense: folders, with tokenizers.
        corpus: folder that `build_corpus` wrote.
        on_step: called with each model as its turn comes, as all take about as long.
    """
    scores = []
    for title, folder in (("base", resolve_base(base)), ("hybrid", hybrid), ("merged model", dense)):
        on_step(f"bits per byte of the {title}, {len(scores) + 1} of 3")
        scores.append(score_folder(recipe, folder, corpus))
    gain, cost = (compare_scores(recipe, before, scores[2]) for before in scores[:2])
    gain = gain.but(sentence=outcome_sentence(recipe, gain))
    return MergeCost(from_hybrid=cost, from_base=gain, has_gain=has_gain(recipe, gain))


def _plan_open(model: Path, config: MultiplMoeConfig, dtype: torch.dtype | None) -> list[TensorPlan]:
    """The tensors of a model that routes nothing, with its gate open: exactly what it then computes."""
    if len(config.packs_config) > 1:
        raise ConfigError("--merge: the model holds several packs, of which one works at a time; merge one")
    ((name, pack),) = config.packs_config.items()
    reader, plans = CheckpointReader(model, "model"), []
    for plan in plan_cast(model, dtype):
        if TRAINED_KEY.search(plan.name):
            continue
        key = plan.name.replace(".mlp.shared_expert.", ".mlp.")
        opened = EXPERT_KINDS[pack.experts.type].when_open(key, name, reader.shapes, pack.experts)
        if opened is None:
            plans.append(replace(plan, name=key))
        else:
            plans.append(cast_plan(key, plan.shape, plan.dtype, partial(opened, reader.read)))
    return plans


def _plan_mean(
    model: Path, config: MultiplMoeConfig, dtype: torch.dtype | None, use: dict[int, Tensor]
) -> list[TensorPlan]:
    """The tensors of the dense model, planned from those of a hybrid whose routers choose."""
    reader, moe, family, plans = CheckpointReader(model, "model"), config.moe_config, family_of(config.base_config), []

    def mean(key: re.Match[str]) -> Tensor:
        prefix, part, kind, use_E = key["prefix"], key["part"], key["kind"], use[int(key["layer"])]
        merged = shared = reader.read(key.string).float()
        differences = EXPERT_KINDS[moe.experts.type].differences(reader.read, prefix, part, kind, shared, family, moe)
        for weight, difference in zip((use_E[:-1] / use_E.sum()).tolist(), differences, strict=True):
            merged = merged + weight * difference
        if part == family.down and not moe.starts_at_base:  # a fixed fusion
            merged = merged * use_E.sum().item()
        return merged

    for plan in plan_cast(model, dtype):
        if match := _SHARED_KEY.match(plan.name):
            name = f"{match['prefix']}{match['part']}.{match['kind']}"
            plans.append(cast_plan(name, plan.shape, plan.dtype, partial(mean, match)))
        elif not TRAINED_KEY.search(plan.name):
            plans.append(plan)
    return plans
