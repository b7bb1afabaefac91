"""Losses of the routers: pure functions of scores and choices."""

from torch import Tensor


def load_balancing_loss(scores: Tensor, chosen: Tensor) -> Tensor:
    """Load-balancing loss of the Switch Transformer (Fedus et al. 2021): E * sum_e f_e * P_e.

    P_e is the mean score of expert e over the tokens and f_e the share of all assignments that went to it; it is 1
    when both are uniform, and 0 without tokens.

    Args:
        scores: (N, E) softmax over experts, padding left out.
        chosen: (N, E) bool.
    """
    mean_scores = scores.sum(dim=0) / max(scores.shape[0], 1)
    assignments = chosen.sum(dim=0).to(scores.dtype)
    shares = assignments / assignments.sum().clamp(min=1)
    return scores.shape[1] * (shares * mean_scores).sum()
