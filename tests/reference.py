"""A slow, obvious hybrid layer, written from the design's section 2 alone: what the fast layer is compared with.

Loops over rows, documents, tokens, segments and experts; plain torch operations, so autograd gives every gradient.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Ffn = Callable[[Tensor], Tensor]


@dataclass
class Segment:
    """Tokens of one segment, as (row, column) pairs, and the tokens of its window."""

    row: int
    tokens: list[tuple[int, int]] = field(default_factory=list)
    window: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Output:
    """What the layer computes: y (B, T, H), the load-balancing loss, who took what."""

    y: Tensor
    load_balancing: Tensor | None
    token_choices: dict[tuple[int, int], list[int]]
    segment_choices: list[list[int]]


def documents_of(position_ids: Tensor, mask: Tensor | None) -> list[list[tuple[int, int]]]:
    """The real tokens of each document: a document goes on while positions count up by one."""
    documents: list[list[tuple[int, int]]] = []
    for row in range(position_ids.shape[0]):
        previous = None
        for column in range(position_ids.shape[1]):
            if mask is not None and not bool(mask[row, column]):
                continue
            position = int(position_ids[row, column])
            if previous is None or position != previous + 1:
                documents.append([])
            documents[-1].append((row, column))
            previous = position
    return documents


def segments_of(position_ids: Tensor, mask: Tensor | None, *, window: int, stride: int, lookahead: bool):
    """Segments in order: segment j of a document holds positions [jS, jS+S) and has its window beside it."""
    segments: list[Segment] = []
    for document in documents_of(position_ids, mask):
        position_of = {token: int(position_ids[token]) for token in document}
        for j in sorted({position // stride for position in position_of.values()}):
            begin = j * stride if lookahead else j * stride - window
            segments.append(
                Segment(
                    row=document[0][0],
                    tokens=[token for token in document if position_of[token] // stride == j],
                    window=[token for token in document if begin <= position_of[token] < begin + window],
                )
            )
    return segments


def stored_threshold(values: list[float], capacity: float, num_experts: int) -> float:
    """Halfway between the gates next to the cut; gates that equal the last one taken are all taken or all left."""
    taken = max(1, math.floor(len(values) * capacity / num_experts))
    edge = sorted(values, reverse=True)[taken - 1]
    above = [value for value in values if value > edge * (1 + 1e-5)]
    below = [value for value in values if value < edge * (1 - 1e-5)]
    taken_with_ties, taken_without = len(values) - len(below), len(above)
    if above and taken_with_ties - taken > taken - taken_without:
        return (min(above) + edge) / 2
    return (max(below) + edge) / 2 if below else edge * (1 - 1e-5)


def expected_quantile(values: list[float], capacity: float, num_experts: int) -> float:
    """What one more gate like these reaches with chance capacity / E_s: by rank, between two gates in proportion."""
    ranked = sorted(values, reverse=True)
    rank = min(max((len(values) + 1) * (capacity / num_experts), 1), len(values))
    high, low = ranked[math.floor(rank) - 1], ranked[math.ceil(rank) - 1]
    return high + (rank - math.floor(rank)) * (low - high)


def expert_choice(gates: list[list[float]], capacity: float, max_experts: int) -> list[list[int]]:
    """Experts in order each take their best segments, passing over full ones."""
    num_experts = len(gates[0]) if gates else 0
    taken = max(1, math.floor(len(gates) * capacity / max(num_experts, 1)))
    chosen: list[list[int]] = [[] for _ in gates]
    for expert in range(num_experts):
        wish_list = sorted(range(len(gates)), key=lambda v: -gates[v][expert])
        free = [v for v in wish_list if len(chosen[v]) < max_experts]
        for v in free[:taken]:
            chosen[v].append(expert)
    return chosen


def threshold_choice(gates: list[float], theta: list[float], max_experts: int) -> list[int]:
    """Experts whose gate reaches their threshold; of too many, those of largest margin, then largest gate."""
    qualified = [e for e in range(len(gates)) if gates[e] >= theta[e]]
    return sorted(sorted(qualified, key=lambda e: (theta[e] - gates[e], -gates[e]))[:max_experts])


def thresholds(
    gates: list[list[float]], rows: list[int], stored: list[float], capacity: float, *, training: bool
) -> list[list[float]]:
    """Theta of each segment: stored in evaluation; in training the quantile over the other rows, if there are any."""
    num_experts = len(stored)
    result = []
    for row in rows:
        others = [g for g, other in zip(gates, rows, strict=True) if other != row]
        if training and others:
            columns = [[g[e] for g in others] for e in range(num_experts)]
            result.append([expected_quantile(column, capacity, num_experts) for column in columns])
        else:
            result.append(stored)
    return result


def base_ffn(weights: Mapping[str, Tensor], act: Ffn) -> Ffn:
    """The base's own block, told apart by its parameter names."""

    def linear(x: Tensor, name: str) -> Tensor:
        y = weights[f"{name}.weight"] @ x
        return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y

    def ffn(x: Tensor) -> Tensor:
        if "c_fc.weight" in weights:
            return linear(act(linear(x, "c_fc")), "c_proj")
        if "gate_up_proj.weight" in weights:
            gate, up = linear(x, "gate_up_proj").chunk(2)
        else:
            gate, up = linear(x, "gate_proj"), linear(x, "up_proj")
        return linear(act(gate) * up, "down_proj")

    return ffn


def stacked_ffn(weights: Mapping[str, Tensor], expert: int, act: Ffn) -> Ffn:
    """Expert number `expert` of the stacked weights."""

    def linear(x: Tensor, name: str) -> Tensor:
        y = weights[f"experts.{name}"][expert] @ x
        return y + weights[f"experts.{name}_bias"][expert] if f"experts.{name}_bias" in weights else y

    def ffn(x: Tensor) -> Tensor:
        if "experts.gate_up_proj" in weights:
            gate, up = linear(x, "gate_up_proj").chunk(2)
            return linear(act(gate) * up, "down_proj")
        return linear(act(linear(x, "up_proj")), "down_proj")

    return ffn


def with_full_experts(weights: Mapping[str, Tensor], alpha: float) -> Mapping[str, Tensor]:
    """Low-rank experts as full ones: each the frozen block plus alpha / r B A, with the frozen block's biases."""
    factors = {k.removesuffix("_a"): v for k, v in weights.items() if k.startswith("experts.") and k.endswith("_a")}
    full = dict(weights)
    for name, a in factors.items():
        if name == "experts.down_proj":
            parts = ["c_proj" if "shared_expert.c_proj.weight" in weights else "down_proj"]
        elif name == "experts.up_proj":
            parts = ["c_fc"]
        else:
            fused = "shared_expert.gate_up_proj.weight" in weights
            parts = ["gate_up_proj"] if fused else ["gate_proj", "up_proj"]
        frozen = torch.cat([weights[f"shared_expert.{part}.weight"] for part in parts])
        b = weights[f"{name}_b"]
        full[name] = torch.stack([frozen + alpha / a.shape[1] * b[e] @ a[e] for e in range(len(a))])
        if f"shared_expert.{parts[0]}.bias" in weights:
            bias = torch.cat([weights[f"shared_expert.{part}.bias"] for part in parts])
            full[f"{name}_bias"] = torch.stack([bias for _ in range(len(a))])
    return full


def hybrid_layer(
    x: Tensor,
    weights: Mapping[str, Tensor],
    moe: Any,
    *,
    position_ids: Tensor,
    mask: Tensor | None,
    training: bool,
    act: Ffn = F.silu,
) -> Output:
    """The whole layer.

    Args:
        x: (B, T, H).
        weights: parameters and buffers by the names of the design's section 3.
        moe: an object with the settings of the design's section 3.
        position_ids, mask: (B, T).
        training: whether thresholds come from the other rows.
        act: the base's activation function.
    """
    weights = with_full_experts(weights, moe.experts.alpha)
    shared = base_ffn({k.removeprefix("shared_expert."): v for k, v in weights.items() if "shared_expert" in k}, act)
    num_routed = moe.routing.num_token_experts - 1
    token_experts = [*(stacked_ffn(weights, e, act) for e in range(num_routed)), shared]
    segment_experts = [stacked_ffn(weights, num_routed + e, act) for e in range(moe.routing.num_segment_experts)]
    tokens = [token for document in documents_of(position_ids, mask) for token in document]

    token_outputs, token_choices, load_balancing = _token_level(x, weights, moe, token_experts, tokens)
    segments, segment_choices, segment_gates = _segment_level(x, weights, moe, position_ids, mask, training)
    segment_of = {token: v for v, segment in enumerate(segments) for token in segment.tokens}

    a, b = moe.routing.token_weight, moe.routing.segment_weight
    rows = [[torch.zeros_like(x[r, c]) for c in range(x.shape[1])] for r in range(x.shape[0])]
    for token in tokens:
        y_seg, used = torch.zeros_like(x[token]), torch.zeros((), dtype=x.dtype)
        if segments:
            v = segment_of[token]
            for expert in segment_choices[v]:
                weight = segment_gates[v][expert].to(x.dtype)
                y_seg, used = y_seg + weight * segment_experts[expert](x[token]), used + weight
        y = a * token_outputs[token] + b * y_seg
        rows[token[0]][token[1]] = y / (a + b * used) if moe.routing.fusion == "normalized" else y
    y = torch.stack([torch.stack(row) for row in rows])
    return Output(y, load_balancing, token_choices, segment_choices)


def _token_level(x, weights, moe, experts: list[Ffn], tokens):
    if len(experts) == 1:
        return {token: experts[0](x[token]) for token in tokens}, {}, None
    shared = len(experts) - 1
    bias = [*weights["token_bias"].tolist(), 0.0] if "token_bias" in weights else [0.0] * len(experts)
    balanced = range(shared) if moe.routing.router_aux_loss_scope == "routed" else range(len(experts))
    outputs, choices, balanced_scores = {}, {}, []
    for token in tokens:
        logits = (weights["token_router.weight"] @ x[token]).float()
        scores = torch.softmax(logits, dim=-1)
        by_score = sorted(range(len(experts)), key=lambda e: -(float(logits[e].detach()) + bias[e]))
        chosen = [*[e for e in by_score if e != shared][: moe.routing.token_top_k - 1], shared]
        total = torch.stack([scores[e] for e in chosen]).sum()
        outputs[token] = torch.stack([(scores[e] / total).to(x.dtype) * experts[e](x[token]) for e in chosen]).sum(0)
        choices[token] = chosen
        balanced_scores.append(torch.softmax(logits[list(balanced)], dim=-1))
    balanced_choices = [[e for e in chosen if e in balanced] for chosen in choices.values()]
    return outputs, choices, load_balancing_loss(balanced_scores, balanced_choices)


def load_balancing_loss(scores: list[Tensor], choices: list[list[int]]) -> Tensor:
    """Number of experts * sum over them of (share of the assignments) * (mean score)."""
    if not scores:
        return torch.zeros(())
    num_assignments = sum(len(chosen) for chosen in choices)
    total = torch.zeros(())
    for expert in range(len(scores[0])):
        share = sum(chosen.count(expert) for chosen in choices) / num_assignments
        mean_score = torch.stack([s[expert] for s in scores]).sum() / len(scores)
        total = total + share * mean_score
    return len(scores[0]) * total


def _segment_level(x, weights, moe, position_ids, mask, training: bool):
    if moe.routing.num_segment_experts == 0:
        return [], [], []
    segments = segments_of(
        position_ids,
        mask,
        window=moe.routing.segment_window,
        stride=moe.gate.stride,
        lookahead=moe.routing.segment_lookahead,
    )
    scale = 1 / moe.routing.segment_window if moe.routing.segment_gate_scale == "window" else 1.0
    gates = []
    for segment in segments:
        window = [x[token] for token in segment.window]
        pooled = torch.stack(window).amax(0) if window else weights["segment_start"]
        logits = weights["segment_router.weight"] @ (pooled - weights.get("segment_mean", 0))
        gates.append(torch.softmax(logits.float(), dim=-1))
    values = [g.tolist() for g in gates]
    if moe.routing.segment_selection == "expert_choice":
        choices = expert_choice(values, moe.routing.segment_capacity, moe.routing.segment_max_experts)
    else:
        rows = [segment.row for segment in segments]
        stored = weights["segment_threshold"].tolist()
        theta = thresholds(values, rows, stored, moe.routing.segment_capacity, training=training)
        choices = [threshold_choice(g, t, moe.routing.segment_max_experts) for g, t in zip(values, theta, strict=True)]
    return segments, choices, [g * scale for g in gates]
