"""The peak of a process's memory."""

import mmap
import subprocess
import sys

from multipl_moe.system.peak_memory import begin_peak, peak_bytes

_SIZE = 64 * 2**20


def _peak() -> int:
    peak = peak_bytes()
    assert peak is not None
    return peak


def _hold() -> None:
    with mmap.mmap(-1, _SIZE) as memory:  # which goes back to the system, as freed tensors need not
        memory.write(b"1" * _SIZE)


def test_the_peak_is_that_since_the_count_began():
    begin_peak()
    before = _peak()
    _hold()
    held = _peak()
    begin_peak()
    assert held > before + _SIZE // 2
    assert _peak() < held - _SIZE // 2


_AFTER_A_LARGER_ONE = """
import torch
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.system.peak_memory import begin_peak, peak_bytes

keep_freed_memory()
large = [torch.ones(2**18) for _ in range(256)]
held, large = large[::2], None
begin_peak()
most = peak_bytes()
del held
begin_peak()
print(most - peak_bytes())
"""


def test_what_was_freed_before_is_not_counted_again_though_the_allocator_keeps_it():
    told = subprocess.run([sys.executable, "-c", _AFTER_A_LARGER_ONE], check=True, capture_output=True, text=True)
    assert int(told.stdout) > 100 * 2**20  # of 128 MiB that were held
