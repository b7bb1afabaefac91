"""The peak of a process's memory."""

import mmap
import multiprocessing
from multiprocessing.connection import Connection

import torch

from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train.callbacks import begin_peak, peak_bytes

_SIZE = 64 * 2**20


def _peak() -> int:
    peak = peak_bytes()
    assert peak is not None
    return peak


def test_the_peak_is_that_since_the_count_began():
    begin_peak()
    before = _peak()
    with mmap.mmap(-1, _SIZE) as memory:  # which goes back to the system, as freed tensors need not
        memory.write(b"1" * _SIZE)
    held = _peak()
    begin_peak()
    assert held > before + _SIZE // 2
    assert _peak() < held - _SIZE // 2


def _hold_and_free(sender: Connection) -> None:
    keep_freed_memory()
    large = [torch.ones(2**18) for _ in range(256)]
    held, large = large[::2], None
    begin_peak()
    most = _peak()
    del held
    begin_peak()
    sender.send(most - _peak())


def test_what_was_freed_before_is_not_counted_again_though_the_allocator_keeps_it():
    """In a process of its own, as the allocator's settings are for good."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_hold_and_free, args=(sender,))
    process.start()
    assert receiver.poll(60)
    assert receiver.recv() > 100 * 2**20  # of 128 MiB that were held
    process.join()
