"""Where routers begin: at even loads, measured on text.

The inputs of a feed-forward block share a large mean (0.6 to 0.9 of their size in the last layers of SmolLM2-135M), so
that rows drawn at random send nearly all tokens to one expert from the first step. Rows orthogonal to that mean tell
tokens apart by what they do not share; thresholds and biases then make the loads even. A segment router that is centred
sees its input less the mean, so that training cannot turn it back there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from multipl_moe.checkpoints.loading import load_dense, ready_for_evaluation
from multipl_moe.checkpoints.tensors import expert_generator
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.spread_windows import padded_batches, window_turns
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.router_health import extreme_ratios
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.segment_moe import choose_by_threshold, quantile_threshold, segment_gates
from multipl_moe.model.segments import SegmentPlan, plan_segments, pool_windows
from multipl_moe.model.token_moe import balancing_bias, route_tokens

_TOKENS = 8192  # read in all
_WINDOW_TOKENS = 256  # of a text, in one piece
_ROWS = 8  # windows in a batch


@dataclass(frozen=True)
class RouterStart:
    """What the routers begin with, and how that spreads the text they were measured on.

    Attributes:
        tokens: how many were read.
        load_ratios: by kind of router, the least and the largest load of an expert as a multiple of a fair share.
        layers: by layer index, the tensors of its routers by their names in the checkpoint.
    """

    tokens: int
    load_ratios: dict[str, list[float]]
    layers: dict[int, dict[str, Tensor]]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, without the tensors."""
        return {"tokens": self.tokens, "load_ratios": self.load_ratios}


def random_rows(seed: int, layer: int, kind: str, num_experts: int, config: Any) -> Tensor:
    """(E, H) rows of a `token` or `segment` router of a layer, drawn with the base's own standard deviation."""
    generator = expert_generator(seed, layer, 0, f"{kind}_router")
    return torch.randn(num_experts, config.hidden_size, generator=generator) * config.initializer_range


def without_direction(rows_EH: Tensor, direction_H: Tensor) -> Tensor:
    """The rows, less what of them lies along a direction; as they are where it is 0."""
    unit_H = direction_H / direction_H.norm().clamp(min=1e-30)
    return rows_EH - (rows_EH @ unit_H)[:, None] * unit_H


@torch.no_grad()
def measure_router_start(
    base_folder: Path, corpus: Path, moe: MoeConfig, *, dtype: torch.dtype, seed: int
) -> RouterStart:
    """Read a few thousand tokens of all languages of a corpus with the base, and place the routers of each layer.

    A fresh hybrid computes what the base does, so the base's blocks have the inputs that the hybrid's will have. The
    corpus may be of any tokenizer: its text is read. Rows are rounded to `dtype`, that of the checkpoint.

    Raises:
        UserError: base or corpus cannot be read.
    """
    routing = moe.routing
    assert routing is not None
    batches = _text(base_folder, corpus)
    model = ready_for_evaluation(load_dense(base_folder))
    inputs = _block_inputs(model, batches, moe.layers)
    position_ids = torch.cat([_positions(batch["attention_mask"]) for batch in batches])
    plan = plan_segments(
        position_ids,
        position_ids >= 0,
        window=routing.segment_window,
        stride=moe.gate.stride,
        lookahead=routing.segment_lookahead,
    )
    layers, summaries = {}, []
    for index in moe.layers:
        x_NH = inputs.pop(index).float()
        layers[index], summary = _place(x_NH, plan, routing, index, model.config, dtype, seed)
        summaries.append(summary)
    return RouterStart(len(plan.segment_of_token), extreme_ratios(summaries, routing), layers)


def _text(base_folder: Path, corpus: Path) -> list[dict[str, Tensor]]:
    languages = [name for name, counts in CorpusManifest.load(corpus).languages.items() if counts.train_files]
    tokenizer = load_tokenizer(base_folder)
    count = max(_TOKENS // (_WINDOW_TOKENS * len(languages)), 1)
    turns = window_turns(tokenizer, corpus, "train", languages, size=_WINDOW_TOKENS, count=count)
    return padded_batches([row for turn in turns for row in turn], _ROWS)


def _block_inputs(model: PreTrainedModel, batches: list[dict[str, Tensor]], layers: list[int]) -> dict[int, Tensor]:
    """(N, H) inputs of the chosen layers' feed-forward blocks, real tokens alone, in the model's dtype."""
    kept: dict[int, list[Tensor]] = {index: [] for index in layers}
    decoder: Any = model.get_decoder()

    def keep(index: int, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        kept[index].append(args[0][real].cpu())

    hooks = [
        decoder.layers[index].mlp.register_forward_pre_hook(lambda module, args, index=index: keep(index, module, args))
        for index in layers
    ]
    for batch in batches:
        real = batch["attention_mask"].to(model.device) != 0
        decoder(**{name: value.to(model.device) for name, value in batch.items()}, use_cache=False)
    for hook in hooks:
        hook.remove()
    return {index: torch.cat(parts) for index, parts in kept.items()}


def _positions(mask_BT: Tensor) -> Tensor:
    """(B, window) positions, -1 for padding, which also fills rows up to a window."""
    mask = torch.nn.functional.pad(mask_BT, (0, _WINDOW_TOKENS - mask_BT.shape[1]))
    return (torch.arange(_WINDOW_TOKENS) + 1) * mask - 1


def _place(
    x_NH: Tensor, plan: SegmentPlan, moe: RoutingConfig, index: int, config: Any, dtype: torch.dtype, seed: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    summary: dict[str, Any] = {}

    def rows(kind: str, num_experts: int, mean_H: Tensor) -> Tensor:
        drawn_EH = random_rows(seed, index, kind, num_experts, config)
        tensors[f"{kind}_router.weight"] = without_direction(drawn_EH, mean_H).to(dtype)
        return tensors[f"{kind}_router.weight"].float()

    if moe.num_token_experts > 1:
        logits = x_NH @ rows("token", moe.num_token_experts, x_NH.mean(dim=0)).t()
        bias = None
        if moe.has_token_bias:
            bias = tensors["token_bias"] = balancing_bias(logits, torch.zeros(moe.num_routed_experts), moe)
        summary["token_load"] = route_tokens(logits, moe, bias).chosen.float().mean(dim=0).tolist()
    if moe.routes_segments:
        pooled_VH = pool_windows(x_NH, plan, torch.full_like(x_NH[0], float("nan")))
        is_first = pooled_VH[:, 0].isnan()
        mean_H = pooled_VH[~is_first].mean(dim=0).nan_to_num()
        centered_VH = (pooled_VH - mean_H).masked_fill(is_first[:, None], 0.0)
        gates = segment_gates(centered_VH @ rows("segment", moe.num_segment_experts, mean_H).t())
        if moe.segment_centered:
            tensors["segment_start"] = tensors["segment_mean"] = mean_H
        if moe.has_thresholds:
            threshold = tensors["segment_threshold"] = quantile_threshold(gates, moe.segment_capacity)
            chosen = choose_by_threshold(gates, threshold, max_experts=moe.segment_max_experts)
            summary["segment_load"] = chosen.float().mean(dim=0).tolist()
    return tensors, summary
