"""Routing of the token-level MoE: each token chooses its experts, the frozen shared one among them.

Shapes: N tokens, E experts (routed ones first, the shared one last).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.moe_config import MoeConfig


class TokenRouting(NamedTuple):
    """What the token router decided.

    Attributes:
        scores: (N, E) softmax over all experts, float32.
        chosen: (N, E) bool, k_t experts a token.
        gates: (N, E) the chosen scores divided by their sum, 0 elsewhere (gate-weight normalisation).
    """

    scores: Tensor
    chosen: Tensor
    gates: Tensor


def route_tokens(logits: Tensor, config: MoeConfig) -> TokenRouting:
    """Pick the top k_t experts of each token (design 2; MultiPL-MoE, section 3).

    Args:
        logits: (N, E_t) router outputs, the shared expert last.
        config: with `shared_expert_selection` "always" the shared expert is in and k_t - 1 routed ones join it; with
            "competes" it is one among equals (MoE-LPR).
    """
    scores = F.softmax(logits, dim=-1, dtype=torch.float32)
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    if config.shared_expert_selection == "always":
        chosen.scatter_(1, scores[:, :-1].topk(config.token_top_k - 1, dim=1).indices, True)
        chosen[:, -1] = True
    else:
        chosen.scatter_(1, scores.topk(config.token_top_k, dim=1).indices, True)
    kept = scores * chosen
    return TokenRouting(scores, chosen, kept / kept.sum(dim=1, keepdim=True))
