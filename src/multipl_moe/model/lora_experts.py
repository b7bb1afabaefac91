"""Experts as low-rank differences from the base's own, frozen feed-forward block.

Shape suffixes: N tokens, R rows (token-expert pairs, sorted by expert), E experts, H hidden, I intermediate,
U = 2I if gated.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from multipl_moe.model.experts import Experts, FrozenBlock, grouped_linear, matmul_dtype
from multipl_moe.model.families import Family

Factors = tuple[Tensor, Tensor]  # A (E, r, K) and B (E, N, r)


class LoraExperts(Experts):
    """Expert e: the frozen block, s B_up[e] A_up[e] added to its first matrix and s B_down[e] A_down[e] to its second.

    `scale` is s, alpha / r as in PEFT, r the rank.
    Gate and up are parts of one first matrix, as in full experts; biases are the block's. B begins at zero, so every
    expert begins as the block. The frozen products are taken once a token (the first) and once a pair (the second), no
    frozen weight is copied or gets a gradient, and between forward and backward nothing of each pair is kept.

    Parameters, with r the rank: `gate_up_proj_a` (E, r, H) and `gate_up_proj_b` (E, 2I, r), or `up_proj_a` and
    `up_proj_b` (E, I, r) where the base has no gate; `down_proj_a` (E, r, I) and `down_proj_b` (E, H, r).
    """

    def __init__(
        self,
        num_experts: int,
        hidden_size: int,
        intermediate_size: int,
        rank: int,
        scale: float,
        family: Family,
        config: Any,
    ) -> None:
        super().__init__(family, config)
        self.scale = scale
        up_size = family.up_size(intermediate_size)
        sizes = {family.up_name: (up_size, hidden_size), "down_proj": (hidden_size, intermediate_size)}
        for name, (num_out, num_in) in sizes.items():
            self.register_parameter(f"{name}_a", nn.Parameter(torch.empty(num_experts, rank, num_in)))
            self.register_parameter(f"{name}_b", nn.Parameter(torch.empty(num_experts, num_out, rank)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """A random with unit gain, B zero."""
        for name, parameter in self.named_parameters():
            parameter.zero_() if name.endswith("_b") else parameter.normal_(0.0, parameter.shape[-1] ** -0.5)

    def _of_pairs(self, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, frozen: FrozenBlock) -> Tensor:
        frozen_NU = frozen.up(x_NH)
        # Read here, not in what is computed again: peft puts its adapters on parameters for the time of this call.
        up, down = (
            (getattr(self, f"{name}_a"), getattr(self, f"{name}_b")) for name in (self.family.up_name, "down_proj")
        )
        inputs = (frozen_NU, x_NH, token_R, counts_E, up, down)
        hidden_RI, difference_RH = checkpoint(self._from_frozen, *inputs, use_reentrant=False, preserve_rng_state=False)
        return frozen.down(hidden_RI) + difference_RH

    def _in_places(self, x_NH: Tensor, expert_NP: Tensor, weights_NP: Tensor, frozen: FrozenBlock) -> Tensor:
        """What goes to empty places is the block without a difference, of weight 0."""
        expert_R, order_R = expert_NP.reshape(-1).sort()
        token_R = order_R // expert_NP.shape[1]
        groups = torch.arange(len(self.get_parameter("down_proj_a")) + 1, device=expert_R.device)
        counts = (expert_R[:, None] == groups).sum(dim=0)
        y_RH = self._of_pairs(x_NH, token_R, counts, frozen)
        y_RH = y_RH * weights_NP.reshape(-1)[order_R, None].to(y_RH.dtype)
        return y_RH.new_zeros(x_NH.shape).index_add(0, token_R, y_RH)

    def _from_frozen(
        self, frozen_NU: Tensor, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, up: Factors, down: Factors
    ) -> tuple[Tensor, Tensor]:
        """(R, I) hidden units and (R, H) what the low-rank part makes of them: cheap, so computed again in backward."""
        difference_RU = self._difference(up, x_NH.index_select(0, token_R), counts_E)
        hidden_RI = self.activate(frozen_NU.index_select(0, token_R) + difference_RU)
        return hidden_RI, self._difference(down, hidden_RI, counts_E)

    def _difference(self, factors: Factors, x_RK: Tensor, counts_E: Tensor) -> Tensor:
        """Each row times s B A of its expert, or times 0 in one group more than there are experts."""
        dtype = matmul_dtype(x_RK)
        a, b = (factor.to(dtype) for factor in factors)
        if len(counts_E) > len(a):
            a, b = (F.pad(factor, (0, 0, 0, 0, 0, 1)) for factor in (a, b))
        x_Rr = self.scale * grouped_linear(x_RK.to(dtype), a, None, counts_E)
        return grouped_linear(x_Rr, b, None, counts_E)
