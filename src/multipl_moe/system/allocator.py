"""Keeping freed memory in the process, which CPU training needs to be fast, and no more kernels than it needs.

Between two trainings it can be given back.
"""

import ctypes
import gc
import os
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TRIM_THRESHOLD_BYTES = 2**31 - 1
_TOP_PAD_BYTES = 2**28
_KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
KERNELS_KEPT = 128


def keep_freed_memory() -> None:
    """Have glibc's malloc reuse large blocks instead of giving each back to the kernel; does nothing without glibc.

    PyTorch on a CPU allocates and frees its activations at every step; with the default settings each comes fresh from
    the kernel, zeroed page by page, at 15-30% of the time of a training step. Memory then stays at its peak, which it
    would reach again at the next step anyway.

    It also limits how many prepared kernels oneDNN and PyTorch's layer above it keep, unless the environment says how
    many. They keep one for each size of a matrix product, and experts meet a new size at every step: the usual 1,024
    take more than half a gigabyte and hardly one of them is used again. Has to come before the first matrix product.
    """
    for cache in _KERNEL_CACHES:
        os.environ.setdefault(cache, str(KERNELS_KEPT))
    if (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
        mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)


def give_back_freed_memory() -> None:
    """Give the kernel all pages that nothing is on, so that what follows is not charged for what went before."""
    gc.collect()
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
