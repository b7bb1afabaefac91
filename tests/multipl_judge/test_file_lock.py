"""A lock keeps others out, and is gone with its holder."""

import multiprocessing
import os
import signal
import time

import pytest

from multipl_judge.file_lock import file_lock


def test_another_holder_waits_or_is_refused_and_then_is_let_in(tmp_path):
    file = tmp_path / "lock"
    with file_lock(file, wait=False):
        with pytest.raises(BlockingIOError), file_lock(file, wait=False):
            pytest.fail("entered")
        with file_lock(tmp_path / "other", wait=True):
            pass
    with file_lock(file, wait=True):
        pass


def _hold(file, told) -> None:
    """Hold the lock, with a fork that lives on."""
    with file_lock(file, wait=False):
        if not os.fork():
            told.send(os.getpid())  # by the fork itself, once it has left the lock to its parent
            time.sleep(60)
            os._exit(0)
        time.sleep(60)


def test_a_killed_holder_holds_nothing_though_its_forks_live(tmp_path):
    receives, sends = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "lock", sends))
    process.start()
    fork = receives.recv()
    with pytest.raises(BlockingIOError), file_lock(tmp_path / "lock", wait=False):
        pytest.fail("entered")
    process.kill()
    process.join()
    try:
        with file_lock(tmp_path / "lock", wait=False):
            pass
    finally:
        os.kill(fork, signal.SIGKILL)
