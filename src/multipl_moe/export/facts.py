"""How a model was made, as rows of a table: what is not recorded is said to be so."""

from typing import Any

import torch
from transformers import PreTrainedConfig

from multipl_judge.languages.table import language_title
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.parameters import count_parameters
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.decontamination import CHECKED, PARTLY_CHECKED, named_with, statuses
from multipl_moe.runs.provenance import Provenance
from multipl_moe.system.device import dtype_name

NOT_RECORDED = "not recorded"


def facts_of(config: PreTrainedConfig, provenance: Provenance, dtype: torch.dtype) -> list[tuple[str, str]]:
    """Label and value of each fact of a model, hybrid or dense, whose exported weights are of `dtype`."""
    stored = dtype_name(dtype)
    if not isinstance(config, MultiplMoeConfig):
        return [("base", _base(config, provenance)), ("weights", stored)]
    counts = count_parameters(config)
    trained = "trained" if provenance.is_trained else "that training changes"
    return [
        ("base", _base(config.base_config, provenance)),
        *(_packs(config) or _layers(config.moe_config, config.base_config.num_hidden_layers)),
        ("experts began as", _start(config.moe_config, provenance)),
        (
            "parameters of the hybrid",
            f"{counts.total:,} in all, {counts.active:,} active per token, {counts.trained:,} {trained}",
        ),
        *_training(provenance),
        ("weights", stored),
    ]


def _base(base: PreTrainedConfig, provenance: Provenance) -> str:
    return f"{provenance.base_name or NOT_RECORDED} ({base.model_type} architecture)"


def _packs(config: MultiplMoeConfig) -> list[tuple[str, str]]:
    if not config.packs:
        return []
    return [
        (f"pack {name}", f"rank {moe.experts.rank}, opens for {', '.join(map(language_title, moe.gate.languages))}")
        for name, moe in config.packs_config.items()
    ]


def _layers(moe: MoeConfig, num_layers: int) -> list[tuple[str, str]]:
    first, last = moe.layers[0], moe.layers[-1]
    is_range = len(moe.layers) > 2 and moe.experts.layers == list(range(first, last + 1))
    indices = f"{first} to {last}" if is_range else ", ".join(map(str, moe.layers))
    kind = EXPERT_KINDS[moe.experts.type]
    rows = [("preset", moe.preset), ("hybrid layers", f"{len(moe.layers)} of {num_layers}: {indices}")]
    rows += [("experts", f"one a layer, {kind.place}; no router")] if moe.routing is None else _choice(moe, moe.routing)
    if what := kind.describe(moe.experts):
        rows.append(("each expert", what))
    if moe.gate.languages:
        learnt = ", ".join(map(language_title, moe.gate.languages))
        rows.append(
            ("domain gate", f"experts work where the text so far is of {learnt}; elsewhere the model is its base")
        )
    if moe.routing is not None:
        weights = f"{moe.routing.token_weight:g} token-level, {moe.routing.segment_weight:g} segment-level"
        rows.append(("fusion", f"{moe.routing.fusion}, {weights}"))
    return rows


def _choice(moe: MoeConfig, routing: RoutingConfig) -> list[tuple[str, str]]:
    rows, frozen = [], "the last is the base's own feed-forward block, frozen, always in use"
    place = "its own tokens and those after them" if routing.segment_lookahead else "the tokens before it"
    if routing.num_token_experts > 1:
        tokens = f"{routing.num_token_experts} a layer, of which a token uses {routing.token_top_k}; {frozen}"
        rows.append(("token-level experts", tokens))
    if routing.routes_segments:
        segments = (
            f"{routing.num_segment_experts} a layer, {routing.segment_capacity:g} per segment on the mean; a segment "
            f"is {moe.gate.stride} tokens, routed by a window of {routing.segment_window}: {place}"
        )
        rows.append(("segment-level experts", segments))
    return rows


def _start(moe: MoeConfig, provenance: Provenance) -> str:
    record = provenance.upcycle or {}
    if "noise" not in record:
        return NOT_RECORDED
    if not EXPERT_KINDS[moe.experts.type].is_copied:
        return "no difference from the base"
    copies = "copies of the base's feed-forward blocks"
    return f"{copies} with noise of {record['noise']:g} standard deviations" if record["noise"] else copies


def _training(provenance: Provenance) -> list[tuple[str, str]]:
    if provenance.is_trained is False:
        return [("training", "none yet: fresh from upcycling")]
    training, recipe = provenance.training or {}, provenance.recipe
    digest = training.get("frozen_sha256")
    frozen = f"unchanged bit for bit (SHA-256 of all: {digest})" if digest else NOT_RECORDED
    rate = NOT_RECORDED
    if recipe is not None:
        peak = training.get("learning_rate") or recipe.learning_rate
        rate = f"{peak} at its peak, {recipe.train.schedule} schedule"
    return [
        ("trained on", _tokens(training)),
        ("learning rate", rate),
        ("mixture of the training text", _mixture(recipe) if recipe else NOT_RECORDED),
        ("decontaminated against", _checked_benchmarks(training)),
        ("frozen parameters", frozen),
    ]


def _tokens(training: dict[str, Any]) -> str:
    if "tokens" not in training:
        return NOT_RECORDED
    told = f"{training['tokens']:,} tokens in {training['steps']:,} steps ({training['seconds']:,.0f} s)"
    before = training.get("tokens_before")
    return f"{told}, after {before:,} tokens of trainings before" if before else told


def _checked_benchmarks(training: dict[str, Any]) -> str:
    record = training.get("decontamination")
    if record is None:
        return NOT_RECORDED
    named = [name for status in (CHECKED, PARTLY_CHECKED) for name in named_with(statuses(record, record), status)]
    return ", ".join(named) or "no benchmark"


def _mixture(recipe: Recipe) -> str:
    weights = ", ".join(f"{name} {weight:.10g}" for name, weight in recipe.mixture_weights.items())
    temperature = recipe.train.mixture_temperature
    return weights if temperature is None else f"{weights}; by size at temperature {temperature:g}"
