"""Experts as low-rank differences from the base's own, frozen feed-forward block.

Shape suffixes: N tokens, R rows (token-expert pairs, sorted by expert), E experts, H hidden, I intermediate,
U = 2I if gated.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from multipl_moe.model.experts import Experts, grouped_linear, matmul_dtype
from multipl_moe.model.families import Family


class LoraExperts(Experts):
    """Expert e: the frozen block, B_up[e] A_up[e] added to its first matrix and B_down[e] A_down[e] to its second.

    Gate and up are parts of one first matrix, as in full experts; biases are the block's. B begins at zero, so every
    expert begins as the block. The frozen products are taken once a token (the first) and once a pair (the second):
    no frozen weight is copied, and none gets a gradient. Between forward and backward the frozen product of each token
    is kept, and nothing of each pair.

    Parameters, with r the rank: `gate_up_proj_a` (E, r, H) and `gate_up_proj_b` (E, 2I, r), or `up_proj_a` and
    `up_proj_b` (E, I, r) where the base has no gate; `down_proj_a` (E, r, I) and `down_proj_b` (E, H, r).
    """

    def __init__(
        self, num_experts: int, hidden_size: int, intermediate_size: int, rank: int, family: Family, config
    ) -> None:
        super().__init__(family, config)
        up_size = intermediate_size * (2 if family.gated else 1)
        for name, num_out, num_in in (
            (family.up_name, up_size, hidden_size),
            ("down_proj", hidden_size, intermediate_size),
        ):
            self.register_parameter(f"{name}_a", nn.Parameter(torch.empty(num_experts, rank, num_in)))
            self.register_parameter(f"{name}_b", nn.Parameter(torch.empty(num_experts, num_out, rank)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """A random with unit gain, B zero."""
        for name, parameter in self.named_parameters():
            parameter.zero_() if name.endswith("_b") else parameter.normal_(0.0, parameter.shape[-1] ** -0.5)

    def forward(self, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, block: nn.Module) -> Tensor:
        """See `Experts`."""
        frozen_NU = torch.cat([block.get_submodule(part)(x_NH) for part in self.family.up], dim=-1)
        hidden_RI, difference_RH = checkpoint(
            self._from_frozen, frozen_NU, x_NH, token_R, counts_E, use_reentrant=False, preserve_rng_state=False
        )
        return block.get_submodule(self.family.down)(hidden_RI) + difference_RH

    def _from_frozen(self, frozen_NU: Tensor, x_NH: Tensor, token_R: Tensor, counts_E: Tensor) -> tuple[Tensor, Tensor]:
        """(R, I) hidden units and (R, H) what the low-rank part makes of them: cheap, so computed again in backward."""
        difference_RU = self._difference(self.family.up_name, x_NH.index_select(0, token_R), counts_E)
        hidden_RI = self.activate(frozen_NU.index_select(0, token_R) + difference_RU)
        return hidden_RI, self._difference("down_proj", hidden_RI, counts_E)

    def _difference(self, name: str, x_RK: Tensor, counts_E: Tensor) -> Tensor:
        """Each row times B A of its expert."""
        dtype = matmul_dtype(x_RK)
        a, b = (self.get_parameter(f"{name}_{factor}").to(dtype) for factor in "ab")
        return grouped_linear(grouped_linear(x_RK.to(dtype), a, None, counts_E), b, None, counts_E)
