"""What a pack puts beside a base's matrices, or in the place of its blocks: it works where the pack's gate is open.

Where nothing routes there is one expert a layer, and the gate alone decides: F(x) where it is shut, E(x) where it is
open, F the base's block and E the expert (design 2). A low-rank expert is PEFT's LoRA times the gate's p, so that
engines load it as it is. A full expert is a block of its own, and the output F(x) + p (E(x) - F(x)). Of several packs
each has its gate, and where several are open they share what the widest open one says.

Shape suffixes: B rows, T tokens a row, H hidden, r rank.
"""

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multipl_moe.model.routing_pass import RoutingPass, waiting_pass


class Adapter(nn.Module):
    """What a pack adds to one matrix: s B A, s = alpha / r as in PEFT (Hu et al., arXiv 2106.09685).

    A begins with unit gain and B at zero, so that the model begins as its base.

    Parameters: `lora_A` (r, in), `lora_B` (out, r).
    """

    def __init__(self, num_in: int, num_out: int, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.lora_A = nn.Parameter(torch.empty(rank, num_in).normal_(0.0, num_in**-0.5))
        self.lora_B = nn.Parameter(torch.zeros(num_out, rank))

    def forward(self, x: Tensor, share: Tensor | None = None) -> Tensor:
        """(..., out) of x (..., in): p s B A x, p the share of each token, (..., 1); None: 1 for all."""
        inner = F.linear(x, self.lora_A.to(x.dtype))
        inner = self.scale * inner if share is None else inner * (self.scale * share).to(inner.dtype)
        return F.linear(inner, self.lora_B.to(x.dtype))


class GatedBlock(nn.Module):
    """A base's feed-forward block, in whose place full experts of the same kind work where their gates are open.

    Attributes:
        shared_expert: the base's own block, frozen.
        experts: by name of the pack.
    """

    def __init__(self, shared_expert: nn.Module) -> None:
        super().__init__()
        self.shared_expert = shared_expert
        self.experts = nn.ModuleDict()

    def forward(self, x_BTH: Tensor) -> Tensor:
        """(B, T, H): F(x) + the sum over packs of p (E(x) - F(x)); to the bit F where all p are 0, E where one is 1."""
        routing = waiting_pass()
        if routing.is_idle and x_BTH.is_cpu:
            return self.shared_expert(x_BTH)
        names = routing.at_work(self.experts, x_BTH.device)
        shares = {name: share for name in names if (share := routing.share_of(name, x_BTH)) is not None}
        if len(shares) < len(names):  # without a gate, or in training
            (name,) = names
            return self.experts[name](x_BTH)
        if not shares:
            return self.shared_expert(x_BTH)
        rest = torch.ones_like(x_BTH[..., :1], dtype=torch.float32)
        for share in shares.values():
            rest = rest - share
        works = [(self.shared_expert, rest.clamp(min=0)), *((self.experts[name], shares[name]) for name in shares)]
        found = [_of_some(block, x_BTH, share, routing) for block, share in works]
        parts = [part for part in found if part is not None]  # no walrus, which torch.compile does not follow
        return reduce(torch.add, parts) if parts else self.shared_expert(x_BTH)  # of no tokens at all


def _of_some(block: nn.Module, x_BTH: Tensor, share_BT1: Tensor, routing: RoutingPass) -> Tensor | None:
    """The block's output times each token's share; where the host may ask, it runs for those alone that have one.

    None: no token has any.
    """
    may_ask = routing.may_ask(x_BTH.device)
    if may_ask and not bool(share_BT1.any()):
        return None
    if not may_ask or bool((share_BT1 > 0).all()):
        y_BTH = block(x_BTH)
        return y_BTH if may_ask and bool((share_BT1 == 1).all()) else y_BTH * share_BT1.to(y_BTH.dtype)
    takers, x_NH = share_BT1.flatten().nonzero().squeeze(1), x_BTH.flatten(0, 1)
    y_KH = block(x_NH.index_select(0, takers))
    y_KH = y_KH * share_BT1.flatten().index_select(0, takers)[:, None].to(y_KH.dtype)
    return y_KH.new_zeros(x_NH.shape).index_add(0, takers, y_KH).view_as(x_BTH)


class AdaptedLinear(nn.Linear):
    """A base's linear layer with packs' adapters beside it: a class, as a hook costs each call more time."""

    adapters: nn.ModuleDict

    def forward(self, input: Tensor) -> Tensor:
        """(..., out) of (..., in): what the layer alone makes of it, and what open packs add."""
        return _add_adapters(self, (input,), F.linear(input, self.weight, self.bias))


def adapt(linear: Any, name: str, rank: int, scale: float) -> None:
    """Lay a pack's adapter beside a linear layer, whose own parameters keep their names."""
    adapters = linear.adapters if hasattr(linear, "adapters") else nn.ModuleDict()
    if not hasattr(linear, "adapters"):
        linear.adapters = adapters
        if type(linear) is nn.Linear:
            linear.__class__ = AdaptedLinear
        else:
            linear.register_forward_hook(_add_adapters)
    adapters[name] = Adapter(linear.in_features, linear.out_features, rank, scale)


def hand_over_adapters(linear: Any, successor: nn.Module) -> None:
    """Lay the adapters of a linear layer, if it has any, beside the one that takes its place."""
    if hasattr(linear, "adapters"):
        successor.adapters = linear.adapters
        successor.register_forward_hook(_add_adapters)


def _add_adapters(linear: Any, args: tuple[Tensor, ...], y_BTN: Tensor) -> Tensor:
    routing = waiting_pass()
    if routing.is_idle and y_BTN.is_cpu:
        return y_BTN
    (x_BTK,) = args
    for name in routing.at_work(linear.adapters, x_BTK.device):
        y_BTN = y_BTN + linear.adapters[name](x_BTK, routing.share_of(name, x_BTK))
    return y_BTN
