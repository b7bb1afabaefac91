"""Being told to go: SIGTERM, which schedulers send some time before they take a machine away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from multipl_moe.errors import Preempted


@contextmanager
def preemptible() -> Iterator[None]:
    """SIGTERM raises Preempted at once while the block runs: where there is nothing to save, staged outputs vanish."""

    def stop(signum, frame) -> None:
        raise Preempted

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
