"""The layer as a dense one-hot selection matrix and einsums gather and scatter it: what benchmarks compare with.

The segment part is the formulation of the MultiPL-MoE authors' release (design 2): a selection matrix (E, k*W, N) of
integers, cast to the activations' type, multiplies the tokens, and an einsum over it, the gates and the experts'
outputs scatters them back. The token part is written the same way. Time and memory grow with N squared.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import SegmentPlan


class OneHotMoe(HybridMoe):
    """The hybrid layer with `fixed` fusion, dispatched by one-hot matrices."""

    def _mix(self, x_NH: Tensor, plan: SegmentPlan, routing: RoutingPass) -> Tensor:
        tokens, segments = self._route(x_NH, plan, routing)
        assert tokens is not None
        assert segments is not None
        assert self.moe.fusion == "fixed"
        a, b, routed = self.moe.token_weight, self.moe.segment_weight, self.moe.num_routed_experts
        gate_up, down = (self.experts.get_parameter(name) for name in ("gate_up_proj", "down_proj"))
        gates_N = tokens.gates[:, -1:].to(x_NH.dtype)
        y_tok = self.shared_expert(x_NH) * gates_N + self._one_hot(
            x_NH, tokens.gates[:, :-1], tokens.chosen[:, :-1], gate_up[:routed], down[:routed]
        )
        segment = plan.segment_of_token
        y_seg = self._one_hot(
            x_NH, segments.weights[segment], segments.chosen[segment], gate_up[routed:], down[routed:]
        )
        return a * y_tok + b * y_seg

    def _one_hot(self, x_NH: Tensor, weights_NE: Tensor, chosen_NE: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
        num_tokens = x_NH.shape[0]
        capacity = int(chosen_NE.sum(dim=0).max())  # C, rows per expert; unused rows select no token
        rank_NE = chosen_NE.long().cumsum(dim=0) - 1
        token_N1, expert_N1 = chosen_NE.nonzero(as_tuple=True)
        token_EC = torch.full((chosen_NE.shape[1], capacity), num_tokens)
        token_EC[expert_N1, rank_NE[token_N1, expert_N1]] = token_N1
        select_ECN = F.one_hot(token_EC, num_tokens + 1)[..., :-1].to(x_NH.dtype)
        weights_EC = F.pad(weights_NE, (0, 0, 0, 1)).t().gather(1, token_EC).to(x_NH.dtype)

        x_ECH = torch.einsum("ecn,nh->ech", select_ECN, x_NH)
        y_ECH = torch.stack(
            [
                F.linear(_gated(F.linear(x_CH, up), self.experts.act_fn), out)
                for x_CH, up, out in zip(x_ECH.unbind(0), gate_up.unbind(0), down.unbind(0), strict=True)
            ]
        )
        return torch.einsum("ecn,ec,ech->nh", select_ECN, weights_EC, y_ECH)


def _gated(hidden: Tensor, act_fn) -> Tensor:
    gate, up = hidden.chunk(2, dim=-1)
    return act_fn(gate) * up
