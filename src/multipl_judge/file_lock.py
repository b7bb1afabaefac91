"""The one kind of file lock: it keeps other processes and threads out, and ends with the process, however that ends."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_held: set[int] = set()
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def file_lock(file: Path, *, wait: bool, remove: bool = False) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing. Forks do not hold it with their parent.

    Where the file system has no locks, as some of clusters, nobody is kept out.

    Args:
        file: in a folder that exists.
        wait: for the end of another holder.
        remove: whether the file goes with its last holder. It is left alone where it was moved meanwhile.

    Raises:
        BlockingIOError: another holds it, and `wait` is false.
        OSError: the file cannot be opened.
    """
    descriptor = _locked(file, wait)
    try:
        yield
    finally:
        if descriptor in _held:  # not so in a fork, which has closed it
            if remove and _is_named(file, descriptor):
                with suppress(OSError):  # as on a disk that became read-only; the lock ends all the same
                    file.unlink()
            _close(descriptor)


def _locked(file: Path, wait: bool) -> int:
    """Descriptor of the locked file; opened anew where the holder before removed it, so that no two hold two files."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        _held.add(descriptor)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            if _is_named(file, descriptor):
                return descriptor
        except BaseException:
            _close(descriptor)
            raise
        _close(descriptor)


def _is_named(file: Path, descriptor: int) -> bool:
    """Whether the file at this path is the open one."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _close(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


def _leave_to_parent() -> None:
    """A fork shares the parent's locks, and would hold them on when the parent is killed."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_leave_to_parent)
