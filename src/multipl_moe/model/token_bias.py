"""The bias that keeps the loads of routed experts even, without a loss (Wang et al., arXiv 2408.15664).

It is added to the logits where experts are picked, and follows the loads from step to step; nothing of a token's future
enters. A load-balancing loss of the usual weight does not hold routers whose experts give them little gradient, such as
low-rank ones (docs/balance.md).

Shapes: N tokens, E routed experts.
"""

import torch
from torch import Tensor

from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.token_moe import route_tokens

_ROUNDS = 100
_FIRST_STEP = 0.5  # of the first round, in standard deviations of the logits
_LAST_STEP = 0.005  # of the last one


def routed_sums(logits_NE: Tensor, chosen_NE: Tensor) -> Tensor:
    """(4, E) what a step of the bias needs of a batch, to be added up over batches and processes.

    For each routed expert: tokens that chose it, the sum of its logits, that of their squares, and all tokens.

    Args:
        logits_NE: (N, E + 1) of the router, the shared expert last.
        chosen_NE: (N, E + 1) bool; who chose no expert at all is padding, whose logits are 0.
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

    Args:
        logits_NE: (N, E_t) of the router, the shared expert last.
        bias_E: where to begin.
        moe: how many experts a token chooses.
    """
    spread = logits_NE[:, :-1].std(dim=0, correction=0).mean().clamp(min=1e-6).item()
    bias_E = torch.where(bias_E.isfinite().all(), bias_E, 0)
    for number in range(_ROUNDS):
        step = _FIRST_STEP * (_LAST_STEP / _FIRST_STEP) ** (number / (_ROUNDS - 1))
        loads_E = route_tokens(logits_NE, moe, bias_E).chosen[:, :-1].sum(dim=0).to(bias_E)
        bias_E = follow_loads(bias_E, loads_E, step * spread)
    return bias_E
