"""The load-balancing loss of the token routers: a pure function of logits and choices."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.token_moe import TokenRouting


def load_balancing_loss(logits: Tensor, chosen: Tensor, counts: Tensor) -> Tensor:
    """Load-balancing loss of the Switch Transformer (Fedus et al. 2021): E * sum_e f_e * P_e.

    P_e is the mean of expert e's score, a softmax over the experts given, over the tokens, and f_e the share of all
    assignments that went to it; the loss is 1 when both are uniform, and 0 without tokens.

    Args:
        logits, chosen: (N, E) of the experts to balance, and bool; padding chooses nothing.
        counts: (E + 1,) `count_assignments`; of a data-parallel batch the mean over the processes, so that the mean of
            their losses, and of their gradients, is that of one with all tokens.
    """
    scores = F.softmax(logits, dim=-1, dtype=torch.float32) * chosen.any(dim=1)[:, None]
    assignments, num_tokens = counts[:-1].to(scores.dtype), counts[-1]
    mean_scores = scores.sum(dim=0) / _at_least_something(num_tokens)
    shares = assignments / _at_least_something(assignments.sum())
    return scores.shape[1] * (shares * mean_scores).sum()


def count_assignments(chosen: Tensor) -> Tensor:
    """(E + 1,) how many of the tokens chose each expert, and how many there are."""
    return torch.cat([chosen.sum(dim=0), chosen.any(dim=1).sum()[None]])  # every token has some, padding none


def mean_load_balancing_loss(
    layers: Sequence[TokenRouting], moe: RoutingConfig | None, ranks: Ranks = ALONE
) -> Tensor | None:
    """Mean of the layers' losses over the data-parallel batch, with one communication; None without token routers."""
    if not layers or moe is None:
        return None
    experts = slice(None) if moe.router_aux_loss_scope == "all" else slice(0, moe.num_routed_experts)
    chosen = [layer.chosen[:, experts] for layer in layers]
    device = chosen[0].device
    counts = ranks.mean(torch.stack([count_assignments(part).to(device) for part in chosen]))
    losses = [
        load_balancing_loss(layer.logits[:, experts], part, count.to(part.device)).to(device)
        for layer, part, count in zip(layers, chosen, counts, strict=True)
    ]
    return torch.stack(losses).mean()


def _at_least_something(count: Tensor) -> Tensor:
    """The count, or 1 in place of 0: what is divided by it is 0 then."""
    return torch.where(count == 0, torch.ones_like(count), count)
