"""The memory of this machine: what the process holds without a model, and what a run may use."""

import importlib

import psutil
import torch


def runtime_bytes() -> int:
    """Resident bytes of this process with everything imported that training imports, on a CPU.

    Meant for a process that has done nothing else.
    """
    for module in ("multipl_moe.train.trainer", "torch._dynamo"):  # PyTorch's optimisers import the second
        importlib.import_module(module)
    return 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss


def usable_bytes() -> int:
    """What a run may use: the free memory of the GPU, or where there is none of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    return psutil.virtual_memory().available + psutil.Process().memory_info().rss
