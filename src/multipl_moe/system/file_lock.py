"""The one kind of file lock: it keeps other processes and threads out, and ends with the process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[int] = set()


@contextmanager
def file_lock(file: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing. Forks do not hold it with their parent.

    Raises:
        BlockingIOError: another holds it, and `wait` is false.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        if descriptor in _held:  # not so in a fork, which has closed it
            _held.remove(descriptor)
            os.close(descriptor)


def _leave_to_parent() -> None:
    """A fork shares the parent's locks, and would hold them on when the parent is killed."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_leave_to_parent)
