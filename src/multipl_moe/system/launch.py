"""How this process was started, alone or as one of several by torchrun, and how it is told to go; without torch."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from multipl_moe.errors import Preempted


def num_processes() -> int:
    """Processes of this run, over all machines; 1 where torchrun did not start it."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


@contextmanager
def preemptible() -> Iterator[None]:
    """SIGTERM, which schedulers send before they take a machine away, raises Preempted while the block runs.

    Where there is nothing to save, staged outputs vanish.
    """

    def stop(signum, frame) -> None:
        raise Preempted

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
