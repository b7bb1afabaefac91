"""How fast this machine computes and moves memory, measured in a second."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from multipl_moe.train.timing import seconds_of

_WARM_UP_CALLS, _REPEATS = 3, 7
_STREAMED_ELEMENTS = 2**24  # more than caches hold, as the activations of a step


@dataclass(frozen=True)
class MachineSpeed:
    """What a training step is made of.

    Attributes:
        flops_per_s: floating-point operations of matrix products.
        bytes_per_s: read and written by all other operations.
    """

    flops_per_s: float
    bytes_per_s: float


def measure_speed(dtype: torch.dtype, *, num_rows: int, hidden_size: int, intermediate_size: int) -> MachineSpeed:
    """Time a matrix product in the shape of a feed-forward block, and a product of many elements.

    On a CPU it tells training's speed only after `allocator.keep_freed_memory`, which training calls too.

    Args:
        dtype: of the matrix product; elements are multiplied in the same.
        num_rows: tokens of a forward pass.
        hidden_size, intermediate_size: of the model.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x_NH = torch.randn(num_rows, hidden_size, device=device).to(dtype)
    weight_IH = torch.randn(intermediate_size, hidden_size, device=device).to(dtype)
    y_NI = x_NH @ weight_IH.t()
    product_s = _median_seconds(lambda: torch.mm(x_NH, weight_IH.t(), out=y_NI))
    elements = torch.ones(_STREAMED_ELEMENTS, device=device, dtype=dtype)
    elements_s = _median_seconds(lambda: torch.mul(elements, elements.flip(0)))
    return MachineSpeed(
        flops_per_s=2 * num_rows * hidden_size * intermediate_size / product_s,
        bytes_per_s=5 * elements.numel() * elements.element_size() / elements_s,
    )


def _median_seconds(step: Callable[[], object]) -> float:
    for _ in range(_WARM_UP_CALLS):
        step()
    return statistics.median(seconds_of(step) for _ in range(_REPEATS))
