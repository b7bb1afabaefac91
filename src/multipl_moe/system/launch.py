"""How this process was started, alone or as one of several by torchrun, and how it is told to go; without torch."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from multipl_moe.errors import Preempted


def num_processes() -> int:
    """Processes of this run, over all machines; 1 where torchrun did not start it."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


def leave_terminal(signum: int) -> None:
    """After SIGHUP, send what a terminal would show nowhere: one that is gone refuses it with an error."""
    if signum == signal.SIGHUP:
        with Path(os.devnull).open("w") as nowhere:
            for stream in (1, 2):
                with suppress(OSError):
                    if stat.S_ISCHR(os.fstat(stream).st_mode):
                        os.dup2(nowhere.fileno(), stream)


def ending_signals() -> list[signal.Signals]:
    """SIGTERM, which schedulers send before they take a machine away, and SIGHUP of a terminal that was closed.

    Under nohup the latter is ignored, and stays so.
    """
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGHUP] if hangs_up else [signal.SIGTERM]


@contextmanager
def preemptible() -> Iterator[None]:
    """`ending_signals` raise Preempted, with the signal's name, while the block runs.

    Where there is nothing to save, staged outputs vanish.
    """

    def stop(signum: int, frame: object) -> None:
        leave_terminal(signum)
        raise Preempted(signal.Signals(signum).name)

    previous = {number: signal.signal(number, stop) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
