"""The loss chunk by chunk equals the plain form in value and in every gradient, and holds no more than a chunk."""

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
    def of(cls, learns: set[str], dtype: torch.dtype = torch.float32) -> "_Case":
        shapes = {"hidden": (_NUM_TOKENS, _HIDDEN), "weight": (_VOCABULARY, _HIDDEN)}
        made = {name: torch.randn(shape).to(dtype).requires_grad_(name in learns) for name, shape in shapes.items()}
        targets = torch.randint(_VOCABULARY, (_NUM_TOKENS,)).masked_fill(torch.rand(_NUM_TOKENS) < 0.3, -100)
        targets[5] = targets[-1] = -100
        return cls(made["hidden"] / 2, made["weight"], targets, torch.randn(_NUM_TOKENS))

    def run(self, losses_of: Any, learns: set[str], **settings: Any) -> tuple[Tensor, list[Tensor]]:
        """Losses, and the gradients of what learns, in the order of names."""
        losses = losses_of(self.hidden, self.weight, self.targets, **settings)
        leaves = [getattr(self, name) for name in sorted(learns)]
        return losses.detach(), list(torch.autograd.grad((losses * self.upstream).sum(), leaves))


def _assert_equal(ours: tuple[Tensor, list[Tensor]], slow: tuple[Tensor, list[Tensor]]) -> None:
    assert ours[0].dtype == torch.float32
    torch.testing.assert_close(ours[0], slow[0])
    assert len(ours[1]) == len(slow[1]) > 0
    for gradient, expected in zip(ours[1], slow[1], strict=True):
        torch.testing.assert_close(gradient, expected)
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("learns", [{"hidden"}, {"hidden", "weight"}, {"weight"}], ids=sorted)
@pytest.mark.parametrize("logits", _LOGITS, ids=str)
@pytest.mark.parametrize("chunk_tokens", [1, 7, 23, 1024])
def test_losses_and_gradients_are_those_of_the_plain_form(chunk_tokens: int, logits: dict, learns: set[str]):
    case = _Case.of(learns)
    ours = case.run(chunked_cross_entropy, learns, chunk_tokens=chunk_tokens, **logits)
    _assert_equal(ours, case.run(_slow_losses, learns, **logits))
    is_ignored = case.targets == -100
    assert torch.equal(ours[0] == 0, is_ignored)
    if "hidden" in learns:
        assert torch.equal(ours[1][0].abs().amax(dim=1) == 0, is_ignored)


@pytest.mark.parametrize("learns", [{"hidden"}, {"hidden", "weight"}], ids=sorted)
@pytest.mark.parametrize("logits", _LOGITS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_under_autocast_it_differs_from_the_plain_form_by_rounding_alone(dtype, logits: dict, learns: set[str]):
    case = _Case.of(learns, dtype)
    with torch.autocast("cpu", torch.bfloat16):
        ours = case.run(chunked_cross_entropy, learns, chunk_tokens=7, **logits)
        rounded = case.run(_slow_losses, learns, **logits)
    assert all(a.dtype == b.dtype == dtype for a, b in zip(ours[1], rounded[1], strict=True))
    exact = _Case(
        *(tensor.detach().double() if tensor.is_floating_point() else tensor for tensor in vars(case).values())
    )
    for name in learns:
        getattr(exact, name).requires_grad_()
    truth = exact.run(_slow_losses, learns, **logits)
    for mine, theirs, true in zip([ours[0], *ours[1]], [rounded[0], *rounded[1]], [truth[0], *truth[1]], strict=True):
        few_roundings = 5 * torch.finfo(torch.bfloat16).eps * true.abs().max()
        assert (theirs - true).abs().max() < few_roundings
        assert (mine - true).abs().max() < few_roundings


def test_a_frozen_head_has_no_gradient_and_costs_no_memory_between_forward_and_backward():
    case, kept = _Case.of({"hidden"}), []
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


@pytest.mark.parametrize("learns", [{"hidden"}, {"hidden", "weight"}], ids=sorted)
def test_never_more_than_a_chunk_of_logits_is_there(learns: set[str]):
    case = _Case.of(learns)
    case.weight = case.weight[:, :2].detach().requires_grad_("weight" in learns)
    case.hidden = case.hidden[:, :2]
    with _Largest() as ours:
        case.run(chunked_cross_entropy, learns, chunk_tokens=7)
    with _Largest() as plain:
        case.run(_slow_losses, learns)
    assert ours.numel == 7 * _VOCABULARY
    assert plain.numel == _NUM_TOKENS * _VOCABULARY


def test_without_gradients_there_are_losses_all_the_same():
    case = _Case.of(set())
    ours = chunked_cross_entropy(case.hidden, case.weight, case.targets, chunk_tokens=7)
    torch.testing.assert_close(ours, _slow_losses(case.hidden, case.weight, case.targets))
    assert not ours.requires_grad
    empty = chunked_cross_entropy(case.hidden[:0], case.weight, case.targets[:0])
    assert empty.shape == (0,)
