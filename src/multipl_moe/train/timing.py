"""The time that work takes, on a GPU too."""

import time
from collections.abc import Callable

import torch


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds until `work` is done.

    A GPU is given its work and computes on while the program goes on, so it is waited for: before, as what it was given
    earlier is not `work`, and after, as only then is it done.
    """
    _wait_for_gpu()
    begin = time.perf_counter()
    work()
    _wait_for_gpu()
    return time.perf_counter() - begin


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
