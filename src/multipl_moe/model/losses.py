"""Losses of the routers: pure functions of scores and choices."""

import torch
from torch import Tensor

from multipl_moe.model.data_parallel import ALONE, Ranks


def load_balancing_loss(scores: Tensor, chosen: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """Load-balancing loss of the Switch Transformer (Fedus et al. 2021): E * sum_e f_e * P_e.

    P_e is the mean score of expert e over the tokens and f_e the share of all assignments that went to it; it is 1
    when both are uniform, and 0 without tokens. f_e and the number of tokens are those of the whole data-parallel
    batch, so the mean of the processes' losses, and of their gradients, is that of one process with all tokens.

    Args:
        scores: (N, E) softmax over experts, padding left out.
        chosen: (N, E) bool.
        ranks: the processes that share the batch.
    """
    counts = ranks.mean(torch.cat([chosen.sum(dim=0), chosen.new_tensor([scores.shape[0]], dtype=torch.long)]))
    assignments, num_tokens = counts[:-1].to(scores.dtype), counts[-1]
    mean_scores = scores.sum(dim=0) / num_tokens.clamp(min=1 / ranks.count)
    shares = assignments / assignments.sum().clamp(min=1 / ranks.count)
    return scores.shape[1] * (shares * mean_scores).sum()
