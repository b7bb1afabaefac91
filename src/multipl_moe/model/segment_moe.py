"""Routing of the segment-level MoE: experts choose segments (expert choice or thresholds).

Shapes: V segments, E_s experts.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.selection import choose_by_experts, choose_by_threshold, threshold_from_other_rows


class SegmentRouting(NamedTuple):
    """What the segment router decided.

    Attributes:
        gates: (V, E_s) softmax over the experts, float32.
        chosen: (V, E_s) bool.
        weights: (V, E_s) gate * scale where chosen, 0 elsewhere.
        batch_gates: (V', E_s) the gates of the whole data-parallel batch, without gradient; out of training the own.
            Negative in empty places.
    """

    gates: Tensor
    chosen: Tensor
    weights: Tensor
    batch_gates: Tensor


def segment_gates(logits: Tensor) -> Tensor:
    """(V, E_s) softmax over the experts, float32."""
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
        gates: (V, E_s) of the segments in `plan`.
        threshold: (E_s,) stored thresholds; used in evaluation, and in training for a batch of one row.
        as_in_training: whether thresholds come from the other rows of the batch.
        batch_gates: (V', E_s) without gradient, of the whole data-parallel batch; experts choose among all of them.
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
