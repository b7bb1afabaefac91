"""Routing of the token-level MoE: each token chooses its experts, the frozen shared one among them.

Two things keep the loads of the routed experts even. The load-balancing loss is the usual one. The bias (Wang et al.,
arXiv 2408.15664) is added to the logits where experts are picked and follows the loads from step to step; nothing of a
token's future enters. A loss of the usual weight does not hold routers whose experts give them little gradient, such as
low-rank ones (docs/balance.md).

Shapes: N tokens, E_t experts (routed ones first, the shared one last), E experts to balance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.routing_config import RoutingConfig

_ROUNDS = 100
_FIRST_STEP = 0.5  # of the first round, in standard deviations of the logits
_LAST_STEP = 0.005  # of the last one


class TokenRouting(NamedTuple):
    """What the token router decided.

    Attributes:
        logits: (N, E_t) the router's outputs.
        scores: (N, E_t) softmax over all experts, float32.
        chosen: (N, E_t) bool, k_t experts a token.
        gates: (N, E_t) the chosen scores divided by their sum, 0 elsewhere (gate-weight normalisation).
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
        logits: (N, E_t).
        config: how many; the shared expert is in, and k_t - 1 routed ones join it.
        bias: (E_t - 1,) added to the logits of the routed experts where experts are picked, and nowhere else: gates and
            losses do not know of it.
    """
    scores = F.softmax(logits, dim=-1, dtype=torch.float32)
    ranked = scores[:, :-1] if bias is None else logits[:, :-1].detach().float() + bias
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen = chosen.scatter(1, ranked.topk(config.token_top_k - 1, dim=1).indices, True)
    chosen[:, -1] = True
    kept = scores * chosen
    return TokenRouting(logits, scores, chosen, kept / kept.sum(dim=1, keepdim=True))


def load_balancing_loss(logits: Tensor, chosen: Tensor, counts: Tensor) -> Tensor:
    """Load-balancing loss of the Switch Transformer (Fedus et al. 2021): E * sum_e f_e * P_e.

    P_e is the mean of expert e's score, a softmax over the experts given, over the tokens, and f_e the share of all
    assignments that went to it; the loss is 1 when both are uniform, and 0 without tokens.

    Args:
        logits, chosen: (N, E) of the experts to balance, and bool; padding chooses nothing.
        counts: (E + 1,) tokens that chose each, and all tokens; of a data-parallel batch the mean over the processes,
            so that the mean of their losses, and of their gradients, is that of one with all tokens.
    """
    scores = F.softmax(logits, dim=-1, dtype=torch.float32) * chosen.any(dim=1)[:, None]
    assignments, num_tokens = counts[:-1].to(scores.dtype), counts[-1]
    mean_scores = scores.sum(dim=0) / num_tokens.clamp(min=1e-9)
    shares = assignments / assignments.sum().clamp(min=1e-9)
    return scores.shape[1] * (shares * mean_scores).sum()


def mean_load_balancing_loss(
    layers: Sequence[TokenRouting], moe: RoutingConfig | None, ranks: Ranks = ALONE
) -> Tensor | None:
    """Mean of the layers' losses over the data-parallel batch, with one communication; None without token routers."""
    if not layers or moe is None:
        return None
    experts = slice(None) if moe.router_aux_loss_scope == "all" else slice(0, moe.num_routed_experts)
    chosen = [layer.chosen[:, experts] for layer in layers]
    device = chosen[0].device
    # Every token has chosen some, padding none
    own = [torch.cat([part.sum(dim=0), part.any(dim=1).sum()[None]]).to(device) for part in chosen]
    losses = [
        load_balancing_loss(layer.logits[:, experts], part, counts.to(part.device)).to(device)
        for layer, part, counts in zip(layers, chosen, ranks.mean(torch.stack(own)), strict=True)
    ]
    return torch.stack(losses).mean()


def routed_sums(logits_NE: Tensor, chosen_NE: Tensor) -> Tensor:
    """(4, E_t - 1) what a step of the bias needs of a batch, to be added up over batches and processes.

    For each routed expert: tokens that chose it, the sum of its logits, that of their squares, and all tokens. Tokens
    that chose no expert at all are padding, whose logits are 0.
    """
    logits_NE, num_tokens = logits_NE[:, :-1].detach().float(), chosen_NE.any(dim=1).sum()
    sums = [chosen_NE[:, :-1].sum(dim=0), logits_NE.sum(dim=0), logits_NE.square().sum(dim=0)]
    return torch.stack([*sums, num_tokens.expand(logits_NE.shape[1])])


def follow_sums(bias_E: Tensor, sums_4E: Tensor, rate: float) -> Tensor:
    """The bias after a step; as it was without tokens.

    Args:
        sums_4E: `routed_sums` of the step.
        rate: the step of an expert that served none, in standard deviations of an expert's logits over tokens: what
            moves the same share of the tokens whatever the size of the logits.
    """
    loads_E, totals_E, squares_E, num_tokens_E = sums_4E
    means_E = totals_E / num_tokens_E.clamp(min=1)
    variances_E = (squares_E / num_tokens_E.clamp(min=1) - means_E.square()).clamp(min=0)
    return follow_loads(bias_E, loads_E, rate * variances_E.sqrt().mean())


def follow_loads(bias_E: Tensor, loads_E: Tensor, step: Tensor | float) -> Tensor:
    """The bias after a step: up for experts with less than the mean load, down for those with more.

    It is in proportion to the distance from the mean load, at most `step`: moving by the sign alone, as in the paper,
    never comes to rest. The mean of the bias stays 0.
    """
    shortfall_E = (1 - loads_E / loads_E.mean().clamp(min=1e-9)).clamp(min=-1) * (loads_E.sum() > 0)
    moved_E = bias_E + step * shortfall_E
    return moved_E - moved_E.mean()


def balancing_bias(logits_NE: Tensor, bias_E: Tensor, moe: RoutingConfig) -> Tensor:
    """(E_t - 1,) the bias at which the routed experts serve equally many of these tokens, to some per cent.

    It begins at `bias_E`.
    """
    spread = logits_NE[:, :-1].std(dim=0, correction=0).mean().clamp(min=1e-6).item()
    bias_E = torch.where(bias_E.isfinite().all(), bias_E, 0)
    for number in range(_ROUNDS):
        step = _FIRST_STEP * (_LAST_STEP / _FIRST_STEP) ** (number / (_ROUNDS - 1))
        loads_E = route_tokens(logits_NE, moe, bias_E).chosen[:, :-1].sum(dim=0).to(bias_E)
        bias_E = follow_loads(bias_E, loads_E, step * spread)
    return bias_E
