"""Workers that end with the process that started them.

One whose parent was killed would go on writing beside the workers of the next start, and datatrove's manager process
would stay for ever. Linux alone can end them; elsewhere a worker ends after its task.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

_SET_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
_parent: int | None = None
_is_main_thread = False


def die_with_parent(data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
    """Ask the system to end this process with its parent; passes `data` on, as the first step of a pipeline does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    return data


@contextlib.contextmanager
def mortal_forks() -> Iterator[None]:
    """Processes forked in this block end with this one."""
    global _parent
    _parent = os.getpid()
    try:
        yield
    finally:
        _parent = None


def _before_fork() -> None:
    global _is_main_thread
    _is_main_thread = threading.current_thread() is threading.main_thread()


def _after_fork() -> None:
    global _parent
    parent, _parent = _parent, None
    if parent is None:
        return
    # A pool ends its workers by this signal, for which the parent may have a handler, as Ray's, that lets them live on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The other signal comes at the end of the forking thread. A pool's own thread, which replaces workers, ends first,
    # and a worker killed then would leave the pool waiting for a lock.
    if _is_main_thread:
        die_with_parent()
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGKILL)


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
