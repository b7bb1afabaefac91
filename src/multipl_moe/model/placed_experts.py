"""Stacked experts run by transformers' experts interface: the one file that knows its inner names.

Its functions (grouped matmuls, and on GPUs other kernels, with fallbacks where a kernel or the compiler lacks one) take
the experts of each token in a fixed number of places, so that no shape depends on what the routers decide.

Shape suffixes: N tokens, P places a token, R rows (pairs of token and expert), E experts, H hidden, I intermediate,
U = 2I if gated.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS, _grouped_mm

_DEFAULT = "grouped_mm"


class ExpertStack:
    """All experts of a layer, under the names by which transformers' functions find them.

    Args:
        weights: `gate_up_proj` or `up_proj` (E, U, H), `down_proj` (E, H, I), and their `_bias` where there are any.
        activate: (R, U) to (R, I).
        config: whose `_experts_implementation` names the function to use.
    """

    is_transposed = False
    is_concatenated = True
    has_post_expert_norm = False
    _is_expert_parallel = True  # or empty places, whose expert is number E, would not be passed over

    def __init__(self, weights: dict[str, Tensor], activate: Callable[[Tensor], Tensor], config: Any) -> None:
        for name, weight in weights.items():
            setattr(self, name, weight)
        self.num_experts = len(weights["down_proj"])
        self.has_gate, self.has_bias = "gate_up_proj" in weights, "down_proj_bias" in weights
        self.act_fn = self._apply_gate = activate  # the one is called without a gate, the other with
        self.config = config


def run_in_places(stack: ExpertStack, x_NH: Tensor, expert_NP: Tensor, weights_NP: Tensor) -> Tensor:
    """(N, H): the weighted outputs of each token's experts.

    Args:
        stack: the experts, in the dtype of `x_NH`.
        x_NH: tokens.
        expert_NP: the expert in each place, E in an empty one.
        weights_NP: of their outputs, 0 in an empty place.
    """
    wanted = stack.config._experts_implementation
    function = ALL_EXPERTS_FUNCTIONS[_DEFAULT if wanted in (None, "eager") else wanted]
    return function(stack, x_NH, expert_NP, weights_NP)


def grouped_matmul(x_RK: Tensor, weight_EKN: Tensor, ends_E: Tensor) -> Tensor:
    """(R, N): rows of each expert times its matrix; those after `ends_E[-1]` are memory as it was."""
    return _grouped_mm(x_RK, weight_EKN, ends_E)
