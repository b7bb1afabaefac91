"""Where segments and their windows lie: computed once per forward pass from position ids, used by every layer.

Shapes: B rows of T tokens hold N real tokens (padding left out) in V segments; a window has W/S segments.
Position ids are the truth: a document starts wherever a real token's position is not its predecessor's plus one, so
padding on either side and packed documents need no other information.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class SegmentState:
    """What a hybrid layer keeps of the tokens that went before, a row of the batch each; minus infinity where nothing.

    Attributes:
        blocks: (B, W/S, H) maxima of the complete segments before the one in which the next token lies, oldest first.
        partial: (B, H) maximum over the tokens of that segment so far.
    """

    blocks: Tensor
    partial: Tensor


@dataclass(frozen=True)
class Continuation:
    """How a chunk of tokens joins what went before it, and what it leaves for the next one.

    Attributes:
        merged_segments, merged_rows: (M,) segments of the chunk that began in an earlier one, and their rows.
        rows: (R,) rows with tokens in this chunk.
        last_segments: (R,) the last segment of each of them.
        is_complete: (R,) whether it has all its tokens.
    """

    merged_segments: Tensor
    merged_rows: Tensor
    rows: Tensor
    last_segments: Tensor
    is_complete: Tensor


@dataclass(frozen=True)
class SegmentPlan:
    """Segments of a batch.

    Attributes:
        real_tokens: (N,) indices of the real tokens in the flattened batch, or None when there is no padding.
        segment_of_token: (N,) index of each real token's segment, ascending.
        window_segments: (V, W/S) segments in the window of each segment; V stands for "none", and with a continuation
            V + 1 + b * W/S + k for block k of row b's state.
        row_of_segment: (V,) batch row of each segment.
        num_rows: B.
        continuation: None without a cache.
    """

    real_tokens: Tensor | None
    segment_of_token: Tensor
    window_segments: Tensor
    row_of_segment: Tensor
    num_rows: int
    continuation: Continuation | None = None

    @property
    def num_segments(self) -> int:
        """V."""
        return self.row_of_segment.shape[0]


def plan_segments(
    position_ids: Tensor,
    attention_mask: Tensor | None,
    *,
    window: int,
    stride: int,
    lookahead: bool,
    cached: bool = False,
) -> SegmentPlan:
    """Cut a batch into segments of `stride` tokens with windows of `window` tokens.

    Args:
        position_ids: (B, T) position of each token in its document.
        attention_mask: (B, T), nonzero for real tokens; None means that all are real.
        window: W, a multiple of `stride`.
        stride: S.
        lookahead: whether a window begins with its own segment, or ends before it.
        cached: whether the batch continues from, and leaves, segment states; not with lookahead.
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
    row_of_segment = rows[first_token]
    windows = _windows(document_of_segment, window // stride, lookahead)
    continuation = None
    if cached:
        if len(document_of_segment) and document_of_segment[-1] > len(torch.unique_consecutive(rows)):
            raise ValueError(
                "a row with several packed documents cannot be cached; give each document a row of its own"
            )
        windows = _reach_back(windows, positions[first_token], document_of_segment, row_of_segment)
        continuation = _continuation(positions, rows, positions[first_token], row_of_segment, stride)
    return SegmentPlan(
        real_tokens=real_tokens,
        segment_of_token=starts_segment.cumsum(0) - 1,
        window_segments=windows,
        row_of_segment=row_of_segment,
        num_rows=num_rows,
        continuation=continuation,
    )


def pool_windows(x: Tensor, plan: SegmentPlan, start: Tensor, state: SegmentState | None = None) -> Tensor:
    """Maximum of x over each segment's window; a window without tokens yields `start`.

    Args:
        x: (N, H) inputs of the real tokens.
        plan: segments of these tokens.
        start: (H,) the learned vector for segments that have nothing before them.
        state: of a plan with a continuation; brought up to date.

    Returns:
        (V, H). Equal maxima share the gradient equally.
    """
    num_segments, hidden = plan.num_segments, x.shape[1]
    index = plan.segment_of_token[:, None].expand(-1, hidden)
    nothing = x.new_full((num_segments + 1, hidden), float("-inf"))
    maxima = nothing.scatter_reduce(0, index, x, "amax")
    if state is not None:
        maxima = _join_state(maxima, plan, state)
    windows = maxima.index_select(0, plan.window_segments.reshape(-1)).view(*plan.window_segments.shape, hidden)
    pooled = windows.amax(dim=1)
    return torch.where(pooled == float("-inf"), start.to(x.dtype), pooled)


def _join_state(maxima: Tensor, plan: SegmentPlan, state: SegmentState) -> Tensor:
    """Maxima of the chunk's segments, whole ones, followed by those of the state, which is then brought up to date."""
    joint = plan.continuation
    assert joint is not None
    merged = torch.maximum(maxima[joint.merged_segments], state.partial[joint.merged_rows])
    maxima = maxima.index_copy(0, joint.merged_segments, merged)
    maxima = torch.cat([maxima, state.blocks.flatten(0, 1)])

    windows = plan.window_segments[joint.last_segments]
    shifted = torch.cat([windows[:, 1:], joint.last_segments[:, None]], dim=1)
    next_windows = torch.where(joint.is_complete[:, None], shifted, windows)
    partial = maxima[joint.last_segments].masked_fill(joint.is_complete[:, None], float("-inf"))
    state.blocks = state.blocks.index_copy(0, joint.rows, maxima[next_windows].detach())
    state.partial = state.partial.index_copy(0, joint.rows, partial.detach())
    return maxima


def _reach_back(
    windows: Tensor, first_positions: Tensor, document_of_segment: Tensor, row_of_segment: Tensor
) -> Tensor:
    """Windows that reach into the state where a row's first document began in an earlier chunk."""
    num_segments, num_blocks = windows.shape
    segments = torch.arange(num_segments, device=windows.device)
    first = torch.searchsorted(row_of_segment, row_of_segment)
    continues = (document_of_segment == document_of_segment[first]) & (first_positions[first] > 0)
    block = (segments - first)[:, None] + torch.arange(num_blocks, device=windows.device)
    in_state = num_segments + 1 + row_of_segment[:, None] * num_blocks + block
    return torch.where(continues[:, None] & (block < num_blocks), in_state, windows)


def _continuation(
    positions: Tensor, rows: Tensor, first_positions: Tensor, row_of_segment: Tensor, stride: int
) -> Continuation:
    present = torch.unique_consecutive(row_of_segment)
    first = torch.searchsorted(row_of_segment, present)
    last_token = torch.searchsorted(rows, present, right=True) - 1
    is_merged = first_positions[first] % stride != 0
    return Continuation(
        merged_segments=first[is_merged],
        merged_rows=present[is_merged],
        rows=present,
        last_segments=torch.searchsorted(row_of_segment, present, right=True) - 1,
        is_complete=(positions[last_token] + 1) % stride == 0,
    )


def _windows(document_of_segment: Tensor, num_offsets: int, lookahead: bool) -> Tensor:
    """(V, W/S) window segments: neighbours at fixed offsets that belong to the same document."""
    num_segments = document_of_segment.shape[0]
    offsets = torch.arange(num_offsets, device=document_of_segment.device)
    segments = torch.arange(num_segments, device=document_of_segment.device)
    neighbours = segments[:, None] + (offsets if lookahead else offsets - num_offsets)
    inside = (neighbours >= 0) & (neighbours < num_segments)
    same = document_of_segment[neighbours.clamp(0, max(num_segments - 1, 0))] == document_of_segment[:, None]
    return torch.where(inside & same, neighbours, num_segments)
