"""Cross-entropy of next tokens without the logits of all tokens at once, which are a step's largest tensors.

8,192 tokens of a vocabulary of 152,000 have 5 GB of logits in float32, and the plain form keeps several copies of them
from forward to backward. Here a chunk of tokens is done at a time and nothing of its size is kept.

Shape suffixes: N tokens, C tokens of a chunk, V vocabulary, H hidden.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.model.experts import matmul_dtype


def chunked_cross_entropy(
    hidden_NH: Tensor,
    weight_VH: Tensor,
    targets_N: Tensor,
    *,
    divisor: float | None = None,
    softcap: float | None = None,
    chunk_tokens: int = 1024,
) -> Tensor:
    """(N,) the loss of each token in nats, float32: `F.cross_entropy` of `hidden @ weight.T`, with `hidden`'s gradient.

    It is worked out in the forward pass, while a chunk's logits are there: a row of it is the gradient of that row's
    loss alone, so what comes back later only scales it. No work is done twice, and (N, H) is all that is kept.

    Matrix products are in the autocast dtype where autocast is on, all else in float32. It reads the head's weights
    alone: hooks of the head's module have no part in it.

    Args:
        hidden_NH: what the head reads, after the last norm.
        weight_VH: of the head, which is frozen.
        targets_N: token that each position should foresee, -100 where there is none: its loss and gradients are 0.
        divisor: logits are divided by it first (Granite).
        softcap: then they become softcap * tanh(logits / softcap) (Gemma 2).
        chunk_tokens: C, tokens whose logits are there at once; about 12 * C * V bytes are in use.
    """
    head = _Head(divisor, softcap, chunk_tokens, matmul_dtype(hidden_NH))
    return _ChunkedLosses.apply(hidden_NH, weight_VH, targets_N, head)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class _Head:
    """How logits follow from the matrix product, and in what they are computed."""

    divisor: float | None
    softcap: float | None
    chunk_tokens: int
    dtype: torch.dtype

    def log_probabilities(self, x_CH: Tensor, w_VH: Tensor) -> tuple[Tensor, Tensor | None]:
        """(C, V) in float32, and the (C, V) tanh of the softcap where there is one."""
        logits_CV, tanh_CV = linear(x_CH, w_VH), None
        if self.divisor is not None:
            logits_CV = logits_CV.float() / self.divisor
        if self.softcap is not None:
            tanh_CV = logits_CV.float().div(self.softcap).tanh_()
            logits_CV = tanh_CV * self.softcap
        return logits_CV.log_softmax(dim=-1, dtype=torch.float32), tanh_CV

    def slopes(self, log_p_CV: Tensor, tanh_CV: Tensor | None, targets_C: Tensor) -> Tensor:
        """(C, V) gradient of each token's loss by its logits, less the divisor; takes the place of `log_p_CV`.

        Rows of ignored labels hold something else, to be left out.
        """
        slopes_CV = log_p_CV.exp_()
        slopes_CV.scatter_add_(1, targets_C.clamp(min=0)[:, None], slopes_CV.new_full((len(targets_C), 1), -1.0))
        return slopes_CV if tanh_CV is None else slopes_CV.mul_(tanh_CV.square_().neg_().add_(1))


class _ChunkedLosses(Function):
    @staticmethod
    def forward(ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, targets_N: Tensor, head: _Head) -> Tensor:
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        assert not needs_weight, "the head's gradient, a sum over tokens, takes the logits that are not kept"
        x_NH, w_VH = hidden_NH.to(head.dtype), weight_VH.to(head.dtype)
        losses_N = torch.empty(len(targets_N), device=hidden_NH.device)
        slopes_NH = torch.empty_like(x_NH) if needs_hidden else None
        for begin in range(0, len(targets_N), head.chunk_tokens):
            chunk = slice(begin, begin + head.chunk_tokens)
            _forward_chunk(head, chunk, x_NH, w_VH, targets_N[chunk], losses_N, slopes_NH)
        ctx.head, ctx.hidden_dtype = head, hidden_NH.dtype
        if needs_hidden:
            ctx.save_for_backward(targets_N, slopes_NH)
        return losses_N.masked_fill_(targets_N == IGNORED_LABEL, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale_N: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        targets_N, slopes_NH = ctx.saved_tensors
        scale_N1 = scale_N.masked_fill(targets_N == IGNORED_LABEL, 0.0)[:, None]
        if ctx.head.divisor is not None:
            scale_N1 = scale_N1 / ctx.head.divisor
        return (slopes_NH * scale_N1).to(ctx.hidden_dtype), None, None, None


def _forward_chunk(
    head: _Head,
    chunk: slice,
    x_NH: Tensor,
    w_VH: Tensor,
    targets_C: Tensor,
    losses_N: Tensor,
    slopes_NH: Tensor | None,
) -> None:
    """Fill in the chunk's losses and, where asked for, the gradients of each by its own row of `x_NH`.

    A function of its own, so that what is as large as a chunk's logits is gone before the next chunk begins.
    """
    log_p_CV, tanh_CV = head.log_probabilities(x_NH[chunk], w_VH)
    losses_N[chunk] = -log_p_CV.gather(1, targets_C.clamp(min=0)[:, None]).squeeze(1)
    if slopes_NH is not None:
        torch.mm(head.slopes(log_p_CV, tanh_CV, targets_C).to(head.dtype), w_VH, out=slopes_NH[chunk])
