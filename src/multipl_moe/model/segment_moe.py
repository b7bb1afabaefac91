"""Routing of the segment-level MoE: experts choose segments (expert choice or thresholds).

Shapes: V segments, E_s experts.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

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
    """

    gates: Tensor
    chosen: Tensor
    weights: Tensor


def route_segments(
    logits: Tensor, plan: SegmentPlan, threshold: Tensor, config: MoeConfig, *, training: bool
) -> SegmentRouting:
    """Let experts take segments (design 2).

    Args:
        logits: (V, E_s) router outputs for the pooled windows.
        plan: the segments.
        threshold: (E_s,) stored thresholds; used in evaluation, and in training for a batch of one row.
        config: selection, capacity, scale.
        training: whether thresholds come from the other rows of the batch.
    """
    gates = F.softmax(logits, dim=-1, dtype=torch.float32)
    chosen = _choose(gates.detach(), plan, threshold, config, training)
    return SegmentRouting(gates, chosen, gates * config.segment_gate_factor * chosen)


def _choose(gates: Tensor, plan: SegmentPlan, threshold: Tensor, config: MoeConfig, training: bool) -> Tensor:
    if config.segment_selection == "expert_choice":
        return choose_by_experts(gates, capacity=config.segment_capacity, max_experts=config.segment_max_experts)
    if training and has_other_rows(plan):
        threshold = threshold_from_other_rows(gates, plan.row_of_segment, plan.num_rows, config.segment_capacity)
    return choose_by_threshold(gates, threshold, max_experts=config.segment_max_experts)


def has_other_rows(plan: SegmentPlan) -> bool:
    """Whether segments lie in at least two rows, so that each can take its threshold from the others."""
    return bool((plan.row_of_segment != plan.row_of_segment[:1]).any())
