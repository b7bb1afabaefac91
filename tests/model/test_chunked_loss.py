"""The loss chunk by chunk equals the plain form in value and in gradient, and holds no more than a chunk."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from multipl_moe.model.chunked_loss import chunked_cross_entropy

_NUM_TOKENS, _VOCABULARY, _HIDDEN = 23, 61, 19
_GRANITE, _GEMMA = {"divisor": 3.0}, {"softcap": 2.0}
_LOGITS = [{}, _GRANITE, _GEMMA, _GRANITE | _GEMMA]


def _slow_losses(hidden: Tensor, weight: Tensor, targets: Tensor, divisor=None, softcap=None) -> Tensor:
    """As models compute it: all logits, then their cross-entropy."""
    logits = F.linear(hidden, weight)
    if divisor is not None:
        logits = logits / divisor
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    return F.cross_entropy(logits.float(), targets, ignore_index=-100, reduction="none")


@dataclass
class _Case:
    """Inputs of a head, logits of size 2 or so, and a different upstream gradient for each token's loss."""

    hidden: Tensor
    weight: Tensor
    targets: Tensor
    upstream: Tensor

    @classmethod
    def of(cls, dtype: torch.dtype = torch.float32) -> "_Case":
        hidden = torch.randn(_NUM_TOKENS, _HIDDEN).to(dtype).requires_grad_()
        weight = torch.randn(_VOCABULARY, _HIDDEN).to(dtype)
        targets = torch.randint(_VOCABULARY, (_NUM_TOKENS,)).masked_fill(torch.rand(_NUM_TOKENS) < 0.3, -100)
        targets[5] = targets[-1] = -100
        return cls(hidden / 2, weight, targets, torch.randn(_NUM_TOKENS))

    def run(self, losses_of: Any, **settings: Any) -> tuple[Tensor, Tensor]:
        """Losses, and the gradient of the hidden states."""
        losses = losses_of(self.hidden, self.weight, self.targets, **settings)
        (gradient,) = torch.autograd.grad((losses * self.upstream).sum(), [self.hidden])
        return losses.detach(), gradient


@pytest.mark.parametrize("logits", _LOGITS, ids=str)
@pytest.mark.parametrize("chunk_tokens", [1, 7, 23, 1024])
def test_losses_and_gradients_are_those_of_the_plain_form(chunk_tokens: int, logits: dict):
    case = _Case.of()
    losses, gradient = case.run(chunked_cross_entropy, chunk_tokens=chunk_tokens, **logits)
    assert losses.dtype == torch.float32
    torch.testing.assert_close((losses, gradient), case.run(_slow_losses, **logits))
    is_ignored = case.targets == -100
    assert torch.equal(losses == 0, is_ignored)
    assert torch.equal(gradient.abs().amax(dim=1) == 0, is_ignored)


@pytest.mark.parametrize("logits", _LOGITS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_under_autocast_it_differs_from_the_plain_form_by_rounding_alone(dtype, logits: dict):
    case = _Case.of(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        ours = case.run(chunked_cross_entropy, chunk_tokens=7, **logits)
        rounded = case.run(_slow_losses, **logits)
    assert ours[1].dtype == rounded[1].dtype == dtype
    exact = _Case(
        *(tensor.detach().double() if tensor.is_floating_point() else tensor for tensor in vars(case).values())
    )
    exact.hidden.requires_grad_()
    truth = exact.run(_slow_losses, **logits)
    for mine, theirs, true in zip(ours, rounded, truth, strict=True):
        few_roundings = 5 * torch.finfo(torch.bfloat16).eps * true.abs().max()
        assert (theirs - true).abs().max() < few_roundings
        assert (mine - true).abs().max() < few_roundings


def test_a_frozen_head_has_no_gradient_and_costs_no_memory_between_forward_and_backward():
    case, kept = _Case.of(), []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        losses = chunked_cross_entropy(case.hidden, case.weight, case.targets, chunk_tokens=7)
    losses.sum().backward()
    assert case.weight.grad is None
    assert sorted(tuple(tensor.shape) for tensor in kept) == [(_NUM_TOKENS,), (_NUM_TOKENS, _HIDDEN)]


class _Largest(TorchDispatchMode):
    """Notes the most elements that any tensor computed in the block has."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def test_never_more_than_a_chunk_of_logits_is_there():
    case = _Case.of()
    case.weight, case.hidden = case.weight[:, :2], case.hidden[:, :2]
    with _Largest() as ours:
        case.run(chunked_cross_entropy, chunk_tokens=7)
    with _Largest() as plain:
        case.run(_slow_losses)
    assert ours.numel == 7 * _VOCABULARY
    assert plain.numel == _NUM_TOKENS * _VOCABULARY


def test_without_gradients_there_are_losses_all_the_same():
    case = _Case.of()
    case.hidden = case.hidden.detach()
    ours = chunked_cross_entropy(case.hidden, case.weight, case.targets, chunk_tokens=7)
    torch.testing.assert_close(ours, _slow_losses(case.hidden, case.weight, case.targets))
    assert not ours.requires_grad
    empty = chunked_cross_entropy(case.hidden[:0], case.weight, case.targets[:0])
    assert empty.shape == (0,)
