"""Routing of the segment-level MoE: experts choose segments (expert choice or thresholds).

Shapes: V segments, E_s experts.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.selection import (
    choose_by_experts,
    choose_by_threshold,
    threshold_from_other_rows,
)


class SegmentRouting(NamedTuple):
    """What the segment router decided.

    Attributes:
        gates: (V, E_s) softmax over the experts, float32.
        chosen: (V, E_s) bool.
        weights: (V, E_s) gate * scale where chosen, 0 elsewhere.
        batch_gates: (V', E_s) in training the gates of the whole data-parallel batch, without gradient.
    """

    gates: Tensor
    chosen: Tensor
    weights: Tensor
    batch_gates: Tensor


def route_segments(
    logits: Tensor,
    plan: SegmentPlan,
    threshold: Tensor,
    config: MoeConfig,
    *,
    training: bool,
    ranks: Ranks = ALONE,
) -> SegmentRouting:
    """Let experts take segments (design 2).

    Args:
        logits: (V, E_s) router outputs for the pooled windows.
        plan: the segments.
        threshold: (E_s,) stored thresholds; used in evaluation, and in training for a batch of one row.
        config: selection, capacity, scale.
        training: whether thresholds come from the other rows of the batch.
        ranks: the processes that hold the rows of the batch; in training experts choose among all of them.
    """
    gates = F.softmax(logits, dim=-1, dtype=torch.float32)
    batch_gates, own = (ranks if training else ALONE).gather(gates)
    chosen = _choose(batch_gates, own, plan, threshold, config, training)
    return SegmentRouting(gates, chosen, gates * config.segment_gate_factor * chosen, batch_gates)


def _choose(
    batch_gates: Tensor, own: slice, plan: SegmentPlan, threshold: Tensor, config: MoeConfig, training: bool
) -> Tensor:
    capacity, max_experts = config.segment_capacity, config.segment_max_experts
    if config.segment_selection == "expert_choice":
        return choose_by_experts(batch_gates, capacity=capacity, max_experts=max_experts)[own]
    gates = batch_gates[own]
    elsewhere = torch.cat([batch_gates[: own.start], batch_gates[own.stop :]])
    if training and (elsewhere.shape[0] > 0 or _has_other_rows(plan)):
        threshold = threshold_from_other_rows(gates, plan.row_of_segment, plan.num_rows, capacity, elsewhere)
    return choose_by_threshold(gates, threshold, max_experts=max_experts)


def _has_other_rows(plan: SegmentPlan) -> bool:
    """Whether segments lie in at least two rows, so that each can take its threshold from the others."""
    return bool((plan.row_of_segment != plan.row_of_segment[:1]).any())
