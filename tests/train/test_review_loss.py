"""The routing loss of stage 2 against loops over tokens and segments, in value and in every gradient."""

import math

import pytest
import torch
from torch import Tensor

from multipl_moe.model.segment_moe import SegmentRouting, route_segments, segment_gates
from multipl_moe.model.segments import SegmentPlan, plan_segments
from multipl_moe.model.token_moe import TokenRouting, route_tokens
from multipl_moe.train.review_loss import routing_loss
from tests.conftest import tiny_moe
from tests.reference import segments_of

_WINDOW, _STRIDE = 8, 4
_ONE_DOCUMENT = torch.arange(11).expand(3, 11)
_PACKED = torch.tensor([[*range(5), *range(6)], [*range(11)], [0, *range(9), 0]])
_LEFT = torch.tensor([[0] * 4 + [1] * 7, [1] * 11, [0] * 9 + [1] * 2])
_BATCHES = {
    "whole": (_ONE_DOCUMENT, None),
    "packed": (_PACKED, None),
    "padded": ((_LEFT.cumsum(1) - 1).clamp(min=0), _LEFT),
    "packed and padded": (_PACKED, _LEFT.flip(1)),
}
_THRESHOLD = torch.tensor([0.5, 0.4, 0.3])


def _plan(name: str) -> SegmentPlan:
    positions, mask = _BATCHES[name]
    return plan_segments(positions, mask, window=_WINDOW, stride=_STRIDE, lookahead=False)


def _logits(name: str) -> tuple[Tensor, Tensor]:
    plan = _plan(name)
    return tuple(
        torch.randn(number, experts, generator=torch.Generator().manual_seed(experts)).requires_grad_()
        for number, experts in ((len(plan.segment_of_token), 4), (plan.num_segments, 3))
    )  # pyright: ignore[reportReturnType]


def _route(name: str, logits: tuple[Tensor, Tensor]) -> tuple[TokenRouting, SegmentRouting]:
    moe = tiny_moe()
    gates = segment_gates(logits[1])
    segments = route_segments(
        gates,
        _plan(name),
        _THRESHOLD,
        moe,
        as_in_training=False,
        batch_gates=gates.detach(),
        own=slice(0, len(gates)),
    )
    return route_tokens(logits[0], moe), segments


def _slow_loss(name: str, keeps: list[bool], token_logits: Tensor, segment_logits: Tensor) -> Tensor:
    """One token after the other, one segment after the other."""
    positions, mask = _BATCHES[name]
    segments = segments_of(positions, mask, window=_WINDOW, stride=_STRIDE, lookahead=False)
    real = sorted(token for segment in segments for token in segment.tokens)
    loss = torch.zeros(())
    for number, (row, _) in enumerate(real):
        if keeps[row]:
            shared = token_logits[number].exp()[-1] / token_logits[number].exp().sum()
            loss = loss - shared.log() / len(real)
    for number, segment in enumerate(segments):
        if keeps[segment.row]:
            gates = segment_logits[number].exp() / segment_logits[number].exp().sum()
            for expert, theta in enumerate(_THRESHOLD.tolist()):
                target = theta / 1.2
                loss = loss + target * (math.log(target) - gates[expert].log()) / len(segments)
    return loss


@pytest.mark.parametrize("keeps", [[True, False, True], [False, True, False], [True] * 3, [False] * 3])
@pytest.mark.parametrize("name", _BATCHES)
def test_value_and_gradients_are_those_of_a_loop(name: str, keeps: list[bool]):
    fast, slow = _logits(name), _logits(name)
    loss = routing_loss(torch.tensor(keeps), _plan(name), *_route(name, fast), _THRESHOLD)
    expected = _slow_loss(name, keeps, *slow)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    if expected.requires_grad:
        expected.backward()
    for ours, theirs in zip(fast, slow, strict=True):
        wanted = torch.zeros_like(ours) if theirs.grad is None else theirs.grad
        torch.testing.assert_close(ours.grad, wanted)
        assert wanted.any() == any(keeps)


@pytest.mark.parametrize("name", _BATCHES)
def test_rows_to_learn_get_no_gradient_and_rows_to_keep_do(name: str):
    keeps, plan, logits = torch.tensor([False, True, False]), _plan(name), _logits(name)
    routing_loss(keeps, plan, *_route(name, logits), _THRESHOLD).backward()
    for values, rows in zip(logits, (plan.row_of_segment[plan.segment_of_token], plan.row_of_segment), strict=True):
        assert values.grad is not None
        assert not values.grad[~keeps[rows]].any()
        assert values.grad[keeps[rows]].any(dim=1).all()


def test_loss_is_zero_without_rows_to_keep():
    loss = routing_loss(torch.zeros(3, dtype=torch.bool), _plan("packed"), *_route("packed", _logits("packed")), None)
    assert loss.item() == 0


def test_loss_vanishes_where_the_frozen_expert_has_all_and_gates_are_in_proportion_to_thresholds():
    plan = _plan("packed")
    token_logits = torch.tensor([0.0, 0, 0, 60]).expand(len(plan.segment_of_token), 4)
    segment_logits = _THRESHOLD.log().expand(plan.num_segments, 3)
    tokens, segments = _route("packed", (token_logits, segment_logits))
    loss = routing_loss(torch.ones(3, dtype=torch.bool), plan, tokens, segments, _THRESHOLD)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not segments.chosen.any()


def test_each_router_may_be_absent_and_experts_that_choose_have_no_loss():
    name, keeps = "packed", torch.tensor([True, False, True])
    tokens, segments = _route(name, _logits(name))
    plan = _plan(name)
    both = routing_loss(keeps, plan, tokens, segments, _THRESHOLD)
    only_tokens, only_segments = (
        routing_loss(keeps, plan, tokens, None, None),
        routing_loss(keeps, plan, None, segments, _THRESHOLD),
    )
    torch.testing.assert_close(only_tokens + only_segments, both)
    assert only_tokens > 0
    assert only_segments > 0
    assert torch.equal(routing_loss(keeps, plan, tokens, segments, None), only_tokens)


def test_scores_that_are_zero_give_a_finite_loss():
    plan = _plan("whole")
    token_logits = torch.tensor([0.0, 0, 0, -1000]).expand(len(plan.segment_of_token), 4).clone().requires_grad_()
    loss = routing_loss(torch.ones(3, dtype=torch.bool), plan, route_tokens(token_logits, tiny_moe()), None, None)
    loss.backward()
    assert torch.isfinite(loss)
    assert token_logits.grad is not None
    assert torch.isfinite(token_logits.grad).all()


def test_thresholds_are_constants():
    threshold = _THRESHOLD.clone().requires_grad_()
    routing_loss(
        torch.ones(3, dtype=torch.bool), _plan("whole"), *_route("whole", _logits("whole")), threshold
    ).backward()
    assert threshold.grad is None
