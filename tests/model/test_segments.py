"""Segments and windows against loops over documents and tokens."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from multipl_moe.model.segments import places_for, plan_segments, pool_windows
from tests import reference

from .layouts import lay_out

_QUICK = settings(max_examples=40)

Row = tuple[int, list[int]]
rows_of = st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(1, 15), max_size=4)), min_size=1, max_size=4)


def _check(
    positions: Tensor, mask: Tensor | None, window: int, stride: int, lookahead: bool, num_places: int | None = None
) -> None:
    hidden = 3
    plan = plan_segments(positions, mask, window=window, stride=stride, lookahead=lookahead, num_places=num_places)
    segments = reference.segments_of(positions, mask, window=window, stride=stride, lookahead=lookahead)
    tokens = [token for segment in segments for token in segment.tokens]
    fixed = num_places is not None
    is_real = torch.ones(positions.numel(), dtype=torch.bool) if mask is None else mask.reshape(-1) != 0
    assert plan.has_fixed_shapes == fixed
    segment_of_token = plan.segment_of_token[is_real] if fixed else plan.segment_of_token
    assert segment_of_token.tolist() == [v for v, segment in enumerate(segments) for _ in segment.tokens]
    num_empty = (plan.num_segments - len(segments)) if fixed else 0
    assert num_empty >= fixed
    assert plan.is_segment.tolist() == [True] * len(segments) + [False] * num_empty
    assert plan.row_of_segment[plan.is_segment].tolist() == [segment.row for segment in segments]
    assert plan.num_rows == positions.shape[0]
    flat = [row * positions.shape[1] + column for row, column in tokens]
    if fixed:
        assert plan.real_tokens is None
        assert plan.num_segments == num_places
        assert (plan.is_real is None) == (mask is None)
        assert (plan.segment_of_token[~is_real] == num_places - 1).all()
    elif plan.real_tokens is None:
        assert len(flat) == positions.numel()
    else:
        assert plan.real_tokens.tolist() == flat

    x = torch.randn(*positions.shape, hidden, requires_grad=True)
    start = torch.randn(hidden, requires_grad=True)
    x_NH = x.reshape(-1, hidden)
    pooled = pool_windows(x_NH if fixed else x_NH[flat], plan, start)
    assert pooled.shape == (plan.num_segments, hidden)
    pooled = pooled[plan.is_segment]
    if not segments:
        return
    slow = torch.stack([torch.stack([x[t] for t in s.window]).amax(0) if s.window else start for s in segments])
    assert torch.equal(pooled, slow)
    weights = torch.randn_like(pooled)
    fast_gradients, slow_gradients = (
        torch.autograd.grad((out * weights).sum(), [x, start], materialize_grads=True) for out in (pooled, slow)
    )
    torch.testing.assert_close(fast_gradients, slow_gradients)


@pytest.mark.parametrize("fixed", [False, True])
@_QUICK
@given(rows_of, st.integers(0, 3), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_segments_windows_and_pooling_equal_the_loops_whatever_the_padding_holds(
    fixed: bool, rows: list[Row], garbage: int, stride: int, multiple: int, lookahead: bool
):
    positions, mask = lay_out(rows, garbage=garbage)
    num_places = places_for(positions.shape, stride, packed=True) if fixed else None
    _check(positions, mask, stride * multiple, stride, lookahead, num_places)


@_QUICK
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 15)), min_size=1, max_size=4), st.integers(1, 5))
def test_rows_of_one_document_need_few_places(rows: list[tuple[int, int]], stride: int):
    positions, mask = lay_out([(left, [length]) for left, length in rows])
    num_places = places_for(positions.shape, stride, packed=False)
    _check(positions, mask, 2 * stride, stride, False, num_places)


@pytest.mark.parametrize("fixed", [False, True])
def test_padding_within_a_document_is_passed_over(fixed: bool):
    positions, mask = torch.tensor([[0, 1, 7, 2, 3]]), torch.tensor([[1, 1, 0, 1, 1]])
    num_places = places_for(positions.shape, 4, packed=True) if fixed else None
    plan = plan_segments(positions, mask, window=4, stride=4, num_places=num_places)
    assert plan.is_segment.sum() == 1


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 21])
def test_batches_without_a_mask_equal_the_loops_and_a_mask_of_ones_is_none(length: int):
    positions = torch.arange(length).expand(3, -1)
    for lookahead in (False, True):
        _check(positions, None, 8, 4, lookahead)
    plan = plan_segments(positions, torch.ones(3, length), window=8, stride=4)
    assert plan.real_tokens is None


def test_equal_maxima_of_a_segment_share_the_gradient():
    plan = plan_segments(torch.arange(4)[None], None, window=2, stride=2)
    x = torch.tensor([[3.0], [3.0], [1.0], [1.0]], requires_grad=True)
    pool_windows(x, plan, torch.zeros(1))[1].sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0.5, 0.5, 0, 0]


@_QUICK
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 6), st.booleans())
def test_a_step_of_one_token_a_row_is_planned_as_any_chunk(positions: list[int], stride: int, masked: bool):
    column = torch.tensor(positions)[:, None]
    mask = torch.ones_like(column) if masked else None
    step = plan_segments(column, mask, stride=stride, cached=True)
    chunk = plan_segments(column, mask, window=stride, stride=stride, cached=True)
    assert step.is_step
    assert step.continuation is not None
    assert chunk.continuation is not None
    joint = replace(chunk.continuation, next_windows=None)
    expected = replace(chunk, window_segments=None, continuation=None)
    for found, wanted in ((step.continuation, joint), (replace(step, continuation=None), expected)):
        for name, value in vars(wanted).items():
            same = getattr(found, name)
            assert torch.equal(same, value) if isinstance(value, Tensor) else same == value, name


def test_no_step_is_one_with_padding_or_without_a_cache_or_of_two_tokens():
    column = torch.tensor([[3], [8]])
    assert not plan_segments(column, torch.tensor([[1], [0]]), stride=4, cached=True).is_step
    assert not plan_segments(column, None, stride=4).is_step
    assert not plan_segments(torch.tensor([[3, 4], [8, 9]]), None, stride=4, cached=True).is_step
    assert not plan_segments(column, None, stride=4, cached=True, num_places=5).is_step
