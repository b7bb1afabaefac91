"""The most memory that this process held since it was asked to count anew."""

import contextlib
from pathlib import Path

import torch

from multipl_moe.system.allocator import give_back_freed_memory

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


def begin_peak() -> None:
    """Count anew, where the system lets a process do so: else the peak is that of all before too.

    What was freed before goes back to the system first: `keep_freed_memory` would have it counted again.
    """
    give_back_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)


def peak_bytes() -> int | None:
    """Most bytes held since `begin_peak`: of the GPU where there is one, else resident ones; None off Linux.

    getrusage's count would begin with that of the process that started this one.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
