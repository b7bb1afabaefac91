"""Where segments and their windows lie: computed once per forward pass from position ids, used by every layer.

Shapes: B rows of T tokens hold N real tokens (padding left out) in V segments; a window has W/S segments.
Position ids are the truth: a document starts wherever a real token's position is not its predecessor's plus one, so
padding on either side and packed documents need no other information.

How many real tokens and segments there are, only values tell. Where shapes must not depend on values, as in compiled
code, N counts padding too, and V places for segments, of which some stay empty.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.documents import starts_of_documents

_ONE_DOCUMENT = "a row with several packed documents cannot be cached; give each document a row of its own"


@dataclass
class SegmentState:
    """What a hybrid layer keeps of the tokens that went before; minus infinity where there is nothing.

    Attributes:
        blocks: (B, W/S, H) maxima of the complete segments before the one in which the next token lies, oldest first.
        partial: (B, H) maximum over the tokens of that segment so far.
    """

    blocks: Tensor
    partial: Tensor


@dataclass(frozen=True)
class Continuation:
    """How a chunk of tokens joins what went before it, and what it leaves for the next one; V stands for "none".

    Attributes:
        merged_segments: (B,) the segment of each row that began in an earlier chunk.
        last_segments: (B,) the last segment of each row.
        is_complete: (B,) whether it has all its tokens.
        next_windows: (B, W/S) the window of the segment in which the row's next token lies, as in `SegmentPlan`.
        begins_segment: whether a segment begins in the chunk; True where only values could tell.
    """

    merged_segments: Tensor
    last_segments: Tensor
    is_complete: Tensor
    next_windows: Tensor | None
    begins_segment: bool


@dataclass(frozen=True)
class SegmentPlan:
    """Segments of a batch.

    Attributes:
        real_tokens: (N,) indices of the real tokens in the flattened batch, or None when N is all of it.
        segment_of_token: (N,) index of each real token's segment, ascending.
        is_first: (N,) bool, whether a token is at position 0 of its document.
        window_segments: (V, W/S) segments in the window of each segment; V stands for "none", and with a continuation
            V + 1 + b * W/S + k for block k of row b's state. None where nothing is pooled.
        row_of_segment: (V,) batch row of each segment; B for an empty place.
        first_segments: (V,) the first segment in this batch of each segment's document.
        num_rows: B.
        is_real: (N,) which of the N tokens are real, or None when all are. Padding lies in the last place, which stays
            empty.
        has_fixed_shapes: whether all shapes follow from those of the batch, so that places may be empty.
        continuation: None without a cache.
    """

    real_tokens: Tensor | None
    segment_of_token: Tensor
    is_first: Tensor
    window_segments: Tensor | None
    row_of_segment: Tensor
    first_segments: Tensor
    num_rows: int
    is_real: Tensor | None = None
    has_fixed_shapes: bool = False
    continuation: Continuation | None = None

    @property
    def num_segments(self) -> int:
        """V."""
        return self.row_of_segment.shape[0]

    def of_real(self, values: Tensor) -> Tensor:
        """Of the values of all tokens of the batch those of the N, in their order."""
        return values if self.real_tokens is None else values[self.real_tokens]

    @property
    def is_step(self) -> bool:
        """Whether it goes on from a cache with one real token a row, so that rows, tokens and segments are the same."""
        no_padding = self.real_tokens is None and self.is_real is None and not self.has_fixed_shapes
        return self.continuation is not None and no_padding and len(self.segment_of_token) == self.num_rows

    @property
    def is_segment(self) -> Tensor:
        """(V,) bool, whether a place holds a segment."""
        return self.row_of_segment < self.num_rows

    @property
    def begins_document(self) -> Tensor:
        """(V,) bool, whether a segment is the first of its document in this batch."""
        return self.first_segments == torch.arange(self.num_segments, device=self.first_segments.device)


def places_for(batch: torch.Size, stride: int, *, packed: bool) -> int:
    """Places that suffice for the segments of any batch of this shape (B, T), and one for padding.

    Each token of a `packed` row may be a document; a row of one document may begin within a segment.
    """
    num_rows, row_tokens = batch
    return num_rows * (row_tokens if packed else -(-row_tokens // stride) + 1) + 1


def plan_segments(
    position_ids: Tensor,
    attention_mask: Tensor | None,
    *,
    window: int | None = None,
    stride: int,
    lookahead: bool = False,
    cached: bool = False,
    num_places: int | None = None,
) -> SegmentPlan:
    """Cut a batch into segments of `stride` tokens with windows of `window` tokens.

    Args:
        position_ids: (B, T) position of each token in its document.
        attention_mask: (B, T), nonzero for real tokens; None means that all are real.
        window, stride: W and S; W is a multiple of S. None: no windows, for a model that routes no segments.
        lookahead: whether a window begins with its own segment, or ends before it.
        cached: whether the batch continues from, and leaves, segment states; not with lookahead.
        num_places: V of a plan with fixed shapes, from `places_for`; None: shapes follow the values.
    """
    num_rows, fixed = position_ids.shape[0], num_places is not None
    positions, rows, real_tokens, is_real = _tokens(position_ids, attention_mask, with_padding=fixed)
    if cached and window is None and not fixed and real_tokens is None and position_ids.shape[1] == 1:
        return _step(positions, rows, stride)
    starts_document = starts_of_documents(positions, rows, is_real)
    starts_segment = starts_document | (positions % stride == 0)
    if is_real is not None:
        starts_segment = starts_segment & is_real
    segment_of_token = starts_segment.cumsum(0) - 1
    if num_places is None:
        first_token = starts_segment.nonzero().squeeze(1)
    else:
        segment_of_token, first_token = _in_places(segment_of_token, starts_segment, is_real, num_places)
    document_of_segment = _at(first_token, starts_document.cumsum(0), positions.shape[0] + 1)
    row_of_segment = _at(first_token, rows, num_rows)
    first_segments = torch.searchsorted(document_of_segment, document_of_segment)
    windows = None if window is None else _windows(document_of_segment, window // stride, lookahead)
    continuation = None
    if cached:
        if not fixed and starts_document.sum() > len(torch.unique_consecutive(rows)):
            raise ValueError(_ONE_DOCUMENT)
        if windows is not None:
            windows = _reach_back(windows, _at(first_token, positions, 0), document_of_segment, row_of_segment)
        ends = _ends_of_rows(rows, is_real, num_rows)
        begins = fixed or bool((positions % stride == 0).any())
        continuation = _continuation(positions, segment_of_token, windows, ends, stride, len(row_of_segment), begins)
    return SegmentPlan(
        real_tokens=real_tokens,
        segment_of_token=segment_of_token,
        is_first=positions == 0,
        window_segments=windows,
        row_of_segment=row_of_segment,
        first_segments=first_segments,
        num_rows=num_rows,
        is_real=is_real,
        has_fixed_shapes=fixed,
        continuation=continuation,
    )


def _step(positions_B: Tensor, rows_B: Tensor, stride: int) -> SegmentPlan:
    """What the general way comes to with one real token a row and no windows, in a quarter of its time."""
    place_B, num_rows = positions_B % stride, len(rows_B)
    is_merged_B = place_B != 0
    continuation = Continuation(
        merged_segments=torch.where(is_merged_B, rows_B, num_rows),
        last_segments=rows_B,
        is_complete=place_B == stride - 1,
        next_windows=None,
        begins_segment=not bool(is_merged_B.all()),
    )
    is_first_B = positions_B == 0
    return SegmentPlan(None, rows_B, is_first_B, None, rows_B, rows_B, num_rows, continuation=continuation)


def _tokens(
    position_ids: Tensor, attention_mask: Tensor | None, *, with_padding: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Positions and rows of the N tokens; `real_tokens` and `is_real` as in `SegmentPlan`."""
    num_rows, row_tokens = position_ids.shape
    positions = position_ids.reshape(-1)
    rows = torch.arange(num_rows, device=positions.device)[:, None].expand(-1, row_tokens).reshape(-1)
    is_real = None if attention_mask is None else attention_mask.reshape(-1) != 0
    if with_padding or is_real is None or is_real.all():
        return positions, rows, None, is_real if with_padding else None
    real_tokens = is_real.nonzero().squeeze(1)
    return positions[real_tokens], rows[real_tokens], real_tokens, None


def _in_places(
    segment_of_token: Tensor, starts_segment: Tensor, is_real: Tensor | None, num_places: int
) -> tuple[Tensor, Tensor]:
    """(N,) place of each token's segment, and (V,) first token of the segment in each place, N where it is empty."""
    num_tokens, last = segment_of_token.shape[0], num_places - 1
    segment_of_token = segment_of_token.clamp(max=last)
    if is_real is not None:
        segment_of_token = torch.where(is_real, segment_of_token, last)
    tokens = torch.arange(num_tokens, device=segment_of_token.device)
    empty = torch.full((num_places,), num_tokens, device=segment_of_token.device)
    places = torch.where(starts_segment, segment_of_token, last)
    return segment_of_token, empty.scatter(0, places, torch.where(starts_segment, tokens, num_tokens))


def pool_windows(x: Tensor, plan: SegmentPlan, start: Tensor, state: SegmentState | None = None) -> Tensor:
    """(V, H): maximum of x over each segment's window. Equal maxima share the gradient equally.

    Args:
        x: (N, H) inputs of the real tokens.
        plan: segments of these tokens.
        start: (H,) what a window without tokens yields; learned.
        state: of a plan with a continuation; brought up to date.
    """
    assert plan.window_segments is not None
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
    assert joint.next_windows is not None
    is_merged = (joint.merged_segments < plan.num_segments)[:, None]
    merged = torch.maximum(maxima[joint.merged_segments], state.partial).where(is_merged, float("-inf"))
    maxima = maxima.index_copy(0, joint.merged_segments, merged)
    maxima = torch.cat([maxima, state.blocks.flatten(0, 1)])

    has_tokens = (joint.last_segments < plan.num_segments)[:, None]
    partial = maxima[joint.last_segments].masked_fill(joint.is_complete[:, None], float("-inf"))
    state.blocks = maxima[joint.next_windows].detach()
    state.partial = torch.where(has_tokens, partial, state.partial).detach()
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


def _ends_of_rows(rows: Tensor, is_real: Tensor | None, num_rows: int) -> tuple[Tensor, Tensor]:
    """(B,) first and last real token of each row; N for both where a row has none."""
    num_tokens = rows.shape[0]
    tokens = torch.arange(num_tokens, device=rows.device)
    if is_real is not None:
        rows = torch.where(is_real, rows, num_rows)
    nothing = torch.full((num_rows + 1,), num_tokens, device=rows.device)
    first = nothing.scatter_reduce(0, rows, tokens, "amin")
    last = nothing.scatter_reduce(0, rows, tokens, "amax", include_self=False)
    return first[:num_rows], last[:num_rows]


def _continuation(
    positions: Tensor,
    segment_of_token: Tensor,
    windows: Tensor | None,
    ends: tuple[Tensor, Tensor],
    stride: int,
    num_segments: int,
    begins_segment: bool,
) -> Continuation:
    first, last = (_at(end, segment_of_token, num_segments) for end in ends)
    first_position, last_position = (_at(end, positions, 0) for end in ends)
    is_complete = (last_position + 1) % stride == 0
    return Continuation(
        merged_segments=torch.where(first_position % stride != 0, first, num_segments),
        last_segments=last,
        is_complete=is_complete,
        next_windows=None if windows is None else _next_windows(windows, last, is_complete),
        begins_segment=begins_segment,
    )


def _next_windows(windows: Tensor, last: Tensor, is_complete: Tensor) -> Tensor:
    """(B, W/S) what the next token's window will be of, given each row's last segment and whether it is complete."""
    num_segments, num_blocks = windows.shape
    own = F.pad(windows, (0, 0, 0, 1))[last]
    following = torch.where(is_complete[:, None], torch.cat([own[:, 1:], last[:, None]], dim=1), own)
    in_state = num_segments + 1 + torch.arange(last.shape[0] * num_blocks, device=last.device).view(-1, num_blocks)
    return torch.where((last < num_segments)[:, None], following, in_state)


def _at(tokens: Tensor, values_N: Tensor, nothing: int) -> Tensor:
    """The values of the given tokens; token N stands for "none", whose value is `nothing`."""
    return torch.cat([values_N, values_N.new_full((1,), nothing)])[tokens]


def _windows(document_of_segment: Tensor, num_offsets: int, lookahead: bool) -> Tensor:
    """(V, W/S) window segments: neighbours at fixed offsets that belong to the same document."""
    num_segments = document_of_segment.shape[0]
    offsets = torch.arange(num_offsets, device=document_of_segment.device)
    segments = torch.arange(num_segments, device=document_of_segment.device)
    neighbours = segments[:, None] + (offsets if lookahead else offsets - num_offsets)
    inside = (neighbours >= 0) & (neighbours < num_segments)
    same = document_of_segment[neighbours.clamp(0, max(num_segments - 1, 0))] == document_of_segment[:, None]
    return torch.where(inside & same, neighbours, num_segments)
