"""Fusion of the two routings: the weight with which each expert enters a token's output (design 2).

Shapes: N real tokens, E stacked experts (token experts first, then segment experts).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.routing_pass import LayerRouting
from multipl_moe.model.segments import SegmentPlan


class FusedWeights(NamedTuple):
    """Weights of the experts' outputs; with `normalized` fusion those of a token sum to 1.

    Attributes:
        experts, chosen: (N, E) weights of the stacked experts, 0 where not chosen, and bool.
        shared: (N,) weights of the frozen shared expert.
    """

    experts: Tensor
    chosen: Tensor
    shared: Tensor

    def behind_gate(self, p_N: Tensor) -> "FusedWeights":
        """The weights of F(x) + p (H(x) - F(x)), which is F(x) where p is 0, and then no expert is chosen."""
        shared_N = self.shared + (1 - p_N) * (1 - self.shared)  # 1 where p is 0, and as it was where p is 1, to the bit
        return FusedWeights(self.experts * p_N[:, None], self.chosen & (p_N > 0)[:, None], shared_N)

    def in_places(self, num_places: int) -> tuple[Tensor, Tensor]:
        """(N, P) the experts of each token, E in empty places, and their weights, 0 there; P suffices for any token."""
        is_taken, expert_NP = self.chosen.to(torch.int8).topk(num_places, dim=1)
        weights_NP = self.experts.gather(1, expert_NP) * is_taken
        return expert_NP.masked_fill(is_taken == 0, self.chosen.shape[1]), weights_NP


def fuse_weights(moe: RoutingConfig, plan: SegmentPlan, routed: LayerRouting) -> FusedWeights:
    """The weights of every expert for every token."""
    (tokens, segments), a, b = routed, moe.token_weight, moe.segment_weight
    shared = torch.full(plan.segment_of_token.shape, a, device=plan.segment_of_token.device)
    weights, chosen = [], []
    if tokens is not None:
        shared = a * tokens.gates[:, -1]
        weights.append(a * tokens.gates[:, :-1])
        chosen.append(tokens.chosen[:, :-1])
    if segments is not None:
        weights.append(b * segments.weights[plan.segment_of_token])
        chosen.append(segments.chosen[plan.segment_of_token])
    experts = torch.cat(weights, dim=1)
    if moe.fusion == "normalized":
        total = torch.full_like(shared, a)
        if segments is not None:
            total = total + b * segments.weights.sum(dim=1)[plan.segment_of_token]
        experts, shared = experts / total[:, None], shared / total
    return FusedWeights(experts, torch.cat(chosen, dim=1), shared)
