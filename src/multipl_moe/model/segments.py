"""Where segments and their windows lie: computed once per forward pass from position ids, used by every layer.

Shapes: B rows of T tokens hold N real tokens (padding left out) in V segments; a window has W/S segments.
Position ids are the truth: a document starts wherever a real token's position is not its predecessor's plus one, so
padding on either side and packed documents need no other information.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SegmentPlan:
    """Segments of a batch.

    Attributes:
        real_tokens: (N,) indices of the real tokens in the flattened batch, or None when there is no padding.
        segment_of_token: (N,) index of each real token's segment, ascending.
        window_segments: (V, W/S) segments in the window of each segment; V stands for "none".
        row_of_segment: (V,) batch row of each segment.
        num_rows: B.
    """

    real_tokens: Tensor | None
    segment_of_token: Tensor
    window_segments: Tensor
    row_of_segment: Tensor
    num_rows: int

    @property
    def num_segments(self) -> int:
        """V."""
        return self.row_of_segment.shape[0]


def plan_segments(
    position_ids: Tensor, attention_mask: Tensor | None, *, window: int, stride: int, lookahead: bool
) -> SegmentPlan:
    """Cut a batch into segments of `stride` tokens with windows of `window` tokens.

    Args:
        position_ids: (B, T) position of each token in its document.
        attention_mask: (B, T), nonzero for real tokens; None means that all are real.
        window: W, a multiple of `stride`.
        stride: S.
        lookahead: whether a window begins with its own segment, or ends before it.
    """
    num_rows, row_tokens = position_ids.shape
    positions = position_ids.reshape(-1)
    rows = torch.arange(num_rows, device=positions.device).repeat_interleave(row_tokens)
    real_tokens = None
    if attention_mask is not None:
        real = attention_mask.reshape(-1) != 0
        if not real.all():
            real_tokens = real.nonzero().squeeze(1)
            positions, rows = positions[real_tokens], rows[real_tokens]

    starts_document = torch.ones_like(positions, dtype=torch.bool)
    starts_document[1:] = (rows[1:] != rows[:-1]) | (positions[1:] != positions[:-1] + 1)
    starts_segment = starts_document | (positions % stride == 0)
    first_token = starts_segment.nonzero().squeeze(1)
    document_of_segment = starts_document.cumsum(0)[first_token]
    return SegmentPlan(
        real_tokens=real_tokens,
        segment_of_token=starts_segment.cumsum(0) - 1,
        window_segments=_windows(document_of_segment, window // stride, lookahead),
        row_of_segment=rows[first_token],
        num_rows=num_rows,
    )


def pool_windows(x: Tensor, plan: SegmentPlan, start: Tensor) -> Tensor:
    """Maximum of x over each segment's window; a window without tokens yields `start`.

    Args:
        x: (N, H) inputs of the real tokens.
        plan: segments of these tokens.
        start: (H,) the learned vector for segments that have nothing before them.

    Returns:
        (V, H). Equal maxima share the gradient equally.
    """
    num_segments, hidden = plan.num_segments, x.shape[1]
    index = plan.segment_of_token[:, None].expand(-1, hidden)
    nothing = x.new_full((num_segments + 1, hidden), float("-inf"))
    maxima = nothing.scatter_reduce(0, index, x, "amax")
    windows = maxima.index_select(0, plan.window_segments.reshape(-1)).view(*plan.window_segments.shape, hidden)
    is_empty = (plan.window_segments == num_segments).all(dim=1, keepdim=True)
    return torch.where(is_empty, start.to(x.dtype), windows.amax(dim=1))


def _windows(document_of_segment: Tensor, num_offsets: int, lookahead: bool) -> Tensor:
    """(V, W/S) window segments: neighbours at fixed offsets that belong to the same document."""
    num_segments = document_of_segment.shape[0]
    offsets = torch.arange(num_offsets, device=document_of_segment.device)
    segments = torch.arange(num_segments, device=document_of_segment.device)
    neighbours = segments[:, None] + (offsets if lookahead else offsets - num_offsets)
    inside = (neighbours >= 0) & (neighbours < num_segments)
    same = document_of_segment[neighbours.clamp(0, max(num_segments - 1, 0))] == document_of_segment[:, None]
    return torch.where(inside & same, neighbours, num_segments)
