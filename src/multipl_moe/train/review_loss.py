"""The routing loss of stage 2: what languages to keep belongs to the frozen expert, not to the new ones.

Shapes: B rows, N real tokens, V segments, E experts.
"""

import torch
from torch import Tensor

from multipl_moe.model.segment_moe import SegmentRouting
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.token_moe import TokenRouting


def routing_loss(
    keeps_B: Tensor,
    plan: SegmentPlan,
    tokens: TokenRouting | None,
    segments: SegmentRouting | None,
    threshold_E: Tensor | None,
) -> Tensor:
    """Routing loss of one layer: that of its tokens plus that of its segments.

    Tokens (MoE-LPR, arXiv 2408.11396): the mean over all real tokens of -log s[shared] where the row is of a language
    to keep, and 0 where it is of one to learn. So each token to keep carries the loss beside its next-token loss,
    however many there are of them, and micro-batches add up.

    Segments: no expert stands for "none", and gates sum to 1, so the gates of a segment cannot all be low at once. They
    are furthest below all thresholds when they are in proportion to them: t = theta / sum(theta) is below every theta
    by the factor sum(theta). The loss is the mean over all segments of KL(t || g) where the row is of a language to
    keep, 0 elsewhere: cross-entropy again, less what no gates can avoid.

    Args:
        keeps_B: (B,) bool, whether the row is of a language to keep.
        plan: segments of the batch.
        tokens: what the token router decided, or None without one.
        segments: what the segment router decided, or None without one.
        threshold_E: (E_s,) thresholds, taken as constants; None where experts choose without: no loss of segments then.

    Returns:
        A scalar, float32; its gradient reaches no score or gate of a row to learn.
    """
    keeps_V = keeps_B[plan.row_of_segment]
    loss = torch.zeros((), device=keeps_V.device)
    if tokens is not None:
        loss = loss + _mean_where(keeps_V[plan.segment_of_token], -_log(tokens.scores[:, -1]))
    if segments is not None and threshold_E is not None:
        target_E = (threshold_E / threshold_E.sum()).detach()
        divergence_V = (torch.xlogy(target_E, target_E) - target_E * _log(segments.gates)).sum(dim=1)
        loss = loss + _mean_where(keeps_V, divergence_V)
    return loss


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    """Sum of the chosen values over the number of all; 0 of none."""
    return values[chosen].sum() / max(values.shape[0], 1)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
