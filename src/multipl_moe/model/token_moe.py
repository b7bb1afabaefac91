"""Routing of the token-level MoE: each token chooses its experts, the frozen shared one among them.

Shapes: N tokens, E experts (routed ones first, the shared one last).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.routing_config import RoutingConfig


class TokenRouting(NamedTuple):
    """What the token router decided.

    Attributes:
        logits: (N, E) the router's outputs.
        scores: (N, E) softmax over all experts, float32.
        chosen: (N, E) bool, k_t experts a token.
        gates: (N, E) the chosen scores divided by their sum, 0 elsewhere (gate-weight normalisation).
    """

    logits: Tensor
    scores: Tensor
    chosen: Tensor
    gates: Tensor

    def of_real(self, is_real: Tensor) -> "TokenRouting":
        """The same with padding, where `is_real` (N,) is False, that has chosen nothing and has logits of 0."""
        is_real = is_real[:, None]
        return self._replace(
            logits=self.logits.masked_fill(~is_real, 0), chosen=self.chosen & is_real, gates=self.gates * is_real
        )


def route_tokens(logits: Tensor, config: RoutingConfig, bias: Tensor | None = None) -> TokenRouting:
    """Pick the top k_t experts of each token (design 2; MultiPL-MoE, section 3).

    Args:
        logits: (N, E_t) router outputs, the shared expert last.
        config: how many; the shared expert is in, and k_t - 1 routed ones join it.
        bias: (E_t - 1,) added to the logits of the routed experts where experts are picked, and nowhere else: gates and
            losses do not know of it (Wang et al., arXiv 2408.15664).
    """
    scores = F.softmax(logits, dim=-1, dtype=torch.float32)
    ranked = scores[:, :-1] if bias is None else logits[:, :-1].detach().float() + bias
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen = chosen.scatter(1, ranked.topk(config.token_top_k - 1, dim=1).indices, True)
    chosen[:, -1] = True
    kept = scores * chosen
    return TokenRouting(logits, scores, chosen, kept / kept.sum(dim=1, keepdim=True))
