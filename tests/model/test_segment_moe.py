"""Expert choice and thresholds: hand-made cases, loops, properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from multipl_moe.model.segment_moe import (
    choose_by_experts,
    choose_by_threshold,
    quantile_threshold,
    threshold_from_other_rows,
)
from tests import reference

_QUICK = settings(max_examples=40)


_NONE = torch.tensor(math.nan)  # what would show, were a stored threshold used


def _distinct_gates(num_segments: int, num_experts: int, seed: int) -> Tensor:
    """Softmax gates without ties in a column, the nearest two well apart in float32."""
    generator = torch.Generator().manual_seed(seed)
    gates = torch.randn(num_segments, num_experts, generator=generator).softmax(-1)
    ranks = gates.argsort(dim=0).argsort(dim=0)
    return (ranks + 1.0) / (num_segments + 1)


gates_of = st.builds(_distinct_gates, st.integers(1, 24), st.integers(1, 6), st.integers(0, 10_000))
share = st.floats(0.05, 1.0)


@_QUICK
@given(gates_of, share, st.integers(1, 6))
def test_expert_choice_equals_the_loop(gates: Tensor, capacity_share: float, max_experts: int):
    capacity = capacity_share * gates.shape[1]
    chosen = choose_by_experts(gates, capacity=capacity, max_experts=max_experts)
    expected = reference.expert_choice(gates.tolist(), capacity, max_experts)
    assert [row.nonzero().flatten().tolist() for row in chosen] == expected


def test_threshold_takes_gates_that_reach_it_equality_included():
    gates = torch.tensor([[0.5, 0.25, 0.25], [0.49, 0.26, 0.25]])
    expected = torch.tensor([[1, 1, 0], [0, 1, 0]], dtype=torch.bool)
    assert torch.equal(choose_by_threshold(gates, torch.tensor([0.5, 0.25, 0.3]), max_experts=3), expected)


@_QUICK
@given(gates_of, st.integers(1, 6), st.integers(0, 1000))
def test_threshold_choice_equals_the_loop(gates: Tensor, max_experts: int, seed: int):
    theta = torch.rand(gates.shape, generator=torch.Generator().manual_seed(seed)) * 0.7
    chosen = choose_by_threshold(gates, theta, max_experts=max_experts)
    expected = [
        reference.threshold_choice(g, t, max_experts) for g, t in zip(gates.tolist(), theta.tolist(), strict=True)
    ]
    assert [row.nonzero().flatten().tolist() for row in chosen] == expected


@_QUICK
@given(gates_of, share, st.integers(0, 1000), st.integers(2, 5))
def test_threshold_from_other_rows_equals_a_loop_over_rows(gates: Tensor, capacity_share: float, seed: int, rows: int):
    generator = torch.Generator().manual_seed(seed)
    row_of_segment = torch.randint(0, rows, (gates.shape[0],), generator=generator).sort().values
    if row_of_segment.unique().numel() < 2:
        return
    capacity = round(capacity_share * gates.shape[1], 1) or 0.1
    theta = threshold_from_other_rows(gates, row_of_segment, rows, capacity, stored=_NONE, elsewhere=gates[:0])
    stored = [math.nan] * gates.shape[1]
    slow = reference.thresholds(gates.tolist(), row_of_segment.tolist(), stored, capacity, training=True)
    torch.testing.assert_close(theta, torch.tensor(slow), rtol=2e-5, atol=0)


@pytest.mark.parametrize(("capacity", "rows", "segments"), [(1.0, 2, 5), (2.0, 4, 17), (0.4, 4, 4)])
def test_experts_take_their_share_however_few_segments_set_the_thresholds(capacity: float, rows: int, segments: int):
    row_of_segment = torch.arange(rows).repeat_interleave(segments)
    gates = torch.rand(rows * segments, 4000 * 3)
    theta = threshold_from_other_rows(gates, row_of_segment, rows, 4000 * capacity, stored=_NONE, elsewhere=gates[:0])
    assert (gates >= theta).float().mean() == pytest.approx(capacity / 3, abs=0.005)


@pytest.mark.parametrize("capacity", [0.3, 1.0, 2.0])
def test_equal_gates_that_differ_by_rounding_are_taken_together(capacity: float):
    """First segments of documents share one gate up to rounding, and it may be the quantile itself."""
    gates = torch.full((12, 3), 1 / 3)
    rounded = gates * (1 + 1e-6 * torch.randn(12, 3))
    rows = torch.arange(12) // 4
    of_others = threshold_from_other_rows(rounded, rows, 3, capacity, stored=_NONE, elsewhere=rounded[:0])
    for theta in (quantile_threshold(rounded, capacity), of_others):
        assert choose_by_threshold(rounded, theta, max_experts=3).all()


def test_gates_that_equal_the_quantile_are_all_taken_or_all_left_whichever_is_nearer():
    # Of ten segments each of two experts should take five.
    mostly_needed = [0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.3, 0.2, 0.1, 0.1]
    mostly_spare = [0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1]
    threshold = quantile_threshold(torch.tensor([mostly_needed, mostly_spare]).t(), capacity=1.0)
    torch.testing.assert_close(threshold, torch.tensor([0.4, 0.55]))


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=40), st.floats(0.2, 2))
def test_stored_thresholds_equal_the_reference(values: list[float], capacity: float):
    gates = torch.tensor(values, dtype=torch.float64)[:, None].expand(-1, 2)
    expected = reference.stored_threshold(values, capacity, 2)
    assert quantile_threshold(gates, capacity)[0].item() == pytest.approx(expected, rel=1e-9)
