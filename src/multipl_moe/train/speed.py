"""How fast this machine computes and moves memory, measured in a second."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

_REPEATS = 7


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
    """Time a matrix product and a product of elements in the shapes of a feed-forward block, where training computes.

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
    elements_s = _median_seconds(lambda: torch.mul(y_NI, y_NI.flip(0)))
    return MachineSpeed(
        flops_per_s=2 * num_rows * hidden_size * intermediate_size / product_s,
        bytes_per_s=5 * y_NI.numel() * y_NI.element_size() / elements_s,
    )


def _median_seconds(step: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)
