"""Routing of the segment-level MoE: experts choose segments, over a batch (expert choice) or by a threshold each.

Shapes: V segments, E experts for segments, B batch rows. Gates are the softmax over experts, in float32.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.segments import SegmentPlan

# Every document's first segment has the same gate, which is therefore often the quantile itself. Gates closer than this
# share count as equal: the rounding of a matmul, which depends on the batch, must not decide who takes such segments.
_TIE_MARGIN = 1e-5


class SegmentRouting(NamedTuple):
    """What the segment router decided.

    Attributes:
        gates: (V, E) softmax over the experts, float32.
        chosen: (V, E) bool.
        weights: (V, E) gate * scale where chosen, 0 elsewhere.
        batch_gates: (V', E) the gates of the whole data-parallel batch, without gradient; out of training the own.
            Negative in empty places.
    """

    gates: Tensor
    chosen: Tensor
    weights: Tensor
    batch_gates: Tensor


def segment_gates(logits: Tensor) -> Tensor:
    """(V, E) softmax over the experts, float32."""
    return F.softmax(logits, dim=-1, dtype=torch.float32)


def route_segments(
    gates: Tensor,
    plan: SegmentPlan,
    threshold: Tensor,
    config: RoutingConfig,
    *,
    as_in_training: bool,
    batch_gates: Tensor,
    own: slice,
) -> SegmentRouting:
    """Let experts take segments (design 2).

    Args:
        gates: (V, E) of the segments in `plan`.
        threshold: (E,) stored thresholds; used in evaluation, and in training for a batch of one row.
        as_in_training: whether thresholds come from the other rows of the batch.
        batch_gates: (V', E) without gradient, of the whole data-parallel batch; experts choose among all of them.
        own: where among them the gates of these segments lie.
    """
    capacity, max_experts = config.segment_capacity, config.segment_max_experts
    if config.segment_selection == "expert_choice":
        is_segment = plan.is_segment if plan.has_fixed_shapes else None
        chosen = choose_by_experts(batch_gates, capacity=capacity, max_experts=max_experts, is_segment=is_segment)[own]
    else:
        if as_in_training and batch_gates.shape[0]:
            threshold = threshold_from_other_rows(
                batch_gates[own],
                plan.row_of_segment,
                plan.num_rows,
                capacity,
                stored=threshold,
                elsewhere=torch.cat([batch_gates[: own.start], batch_gates[own.stop :]]),
            )
        chosen = choose_by_threshold(batch_gates[own], threshold, max_experts=max_experts)
        chosen = chosen & plan.is_segment[:, None]
    if plan.has_fixed_shapes:
        batch_gates = torch.where(plan.is_segment[:, None], batch_gates, -1)
    return SegmentRouting(gates, chosen, gates * config.segment_gate_factor * chosen, batch_gates)


def num_taken(num_segments: int, capacity: float, num_experts: int) -> int:
    """k_s: segments that each expert takes, floor(V * capacity / E), at least 1 and at most V."""
    return min(max(int(num_segments * capacity / num_experts), 1), num_segments)


def choose_by_experts(gates: Tensor, *, capacity: float, max_experts: int, is_segment: Tensor | None = None) -> Tensor:
    """(V, E) bool: expert choice (MultiPL-MoE, section 3): experts in order take their top segments not yet full.

    Args:
        capacity, max_experts: mean and largest number of experts per segment.
        is_segment: (V,) bool, which rows of `gates`, (V, E), are those of a segment; None: all.
    """
    num_places, num_experts = gates.shape
    taken = num_taken(num_places, capacity, num_experts)
    if is_segment is not None:
        taken = (is_segment.sum().double() * capacity / num_experts).floor().clamp(min=1)
    in_order = torch.arange(num_places, device=gates.device) < taken
    chosen = torch.zeros_like(gates, dtype=torch.bool)
    for expert in range(num_experts):
        is_closed = chosen.sum(dim=1) >= max_experts
        if is_segment is not None:
            is_closed = is_closed | ~is_segment
        order = gates[:, expert].masked_fill(is_closed, float("-inf")).argsort(descending=True, stable=True)
        chosen[:, expert] = in_order.scatter(0, order, in_order) & ~is_closed
    return chosen


def choose_by_threshold(gates: Tensor, threshold: Tensor, *, max_experts: int) -> Tensor:
    """(V, E) bool: each expert takes the segments whose gate reaches its threshold (arXiv 2603.11535).

    Gates are (V, E), thresholds (E,) or (V, E). Where more than `max_experts` qualify, those with the largest margin
    over their threshold stay.
    """
    margin = gates - threshold
    chosen = margin >= 0
    if max_experts < gates.shape[1]:
        top = margin.topk(max_experts, dim=1).indices
        chosen &= torch.zeros_like(chosen).scatter_(1, top, True)
    return chosen


def quantile_threshold(gates: Tensor, capacity: float) -> Tensor:
    """(E,) thresholds at which each expert takes its capacity/E share of `gates`, halfway between two distinct gates.

    Where many gates equal the quantile, as those of first segments do, all of them are taken or all are left, whichever
    comes closer to the share.
    """
    taken = num_taken(gates.shape[0], capacity, gates.shape[1])
    quantile = gates.topk(taken, dim=0).values[-1]
    above, below = gates > quantile * (1 + _TIE_MARGIN), gates < quantile * (1 - _TIE_MARGIN)
    next_above = gates.masked_fill(~above, float("inf")).amin(dim=0)
    next_below = gates.masked_fill(~below, float("-inf")).amax(dim=0)
    excess, shortfall = (~below).sum(dim=0) - taken, taken - above.sum(dim=0)
    leave = (excess > shortfall) & above.any(dim=0)
    low, high = torch.where(leave, quantile, next_below), torch.where(leave, next_above, quantile)
    return torch.where(torch.isinf(low), high * (1 - _TIE_MARGIN), (low + high) / 2)


def threshold_from_other_rows(
    gates: Tensor,
    row_of_segment: Tensor,
    num_rows: int,
    capacity: float,
    *,
    stored: Tensor,
    elsewhere: Tensor,
) -> Tensor:
    """(V, E): per segment, the quantile of the gates of all segments in the *other* rows of the batch.

    It follows the router without lag and sees nothing of a sequence's own future. It lies at rank (n + 1) capacity / E
    of n gates, between two of them in proportion: one more gate like these reaches it with chance capacity / E, however
    few they are. Rank n capacity / E would hold loads in training some per cent under those in evaluation.

    Args:
        gates: (V, E).
        row_of_segment: (V,) batch row of each segment; B = `num_rows` for an empty place.
        stored: (E,) thresholds for a row beside which no other has a segment.
        elsewhere: (V', E) gates of the rows that other processes hold.
    """
    num_experts = gates.shape[1]
    rows = torch.arange(num_rows, device=gates.device)
    is_left_out = (row_of_segment == rows[:, None]) | (row_of_segment == num_rows)
    others = gates.expand(num_rows, -1, -1).masked_fill(is_left_out[:, :, None], float("-inf"))
    others = torch.cat([others, elsewhere.expand(num_rows, -1, -1)], dim=1)
    num_others = (others.shape[1] - is_left_out.sum(dim=1)).to(gates.dtype)
    rank = ((num_others + 1) * (capacity / num_experts)).clamp(min=1).minimum(num_others)
    ranked = others.sort(dim=1, descending=True).values
    high, low = (
        ranked.gather(1, (place.long() - 1).clamp(min=0)[:, None, None].expand(-1, 1, num_experts)).squeeze(1)
        for place in (rank.floor(), rank.ceil())
    )
    per_row = torch.lerp(high, low, rank.frac()[:, None]) * (1 - _TIE_MARGIN)
    per_row = torch.where((num_others > 0)[:, None], per_row, stored.to(per_row.dtype))
    return F.pad(per_row, (0, 0, 0, 1))[row_of_segment]
