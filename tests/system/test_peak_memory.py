"""The peak of a process's memory."""

import mmap

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
