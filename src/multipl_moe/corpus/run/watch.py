"""Telling how many tasks of a stage are done while this thread is busy with them."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from multipl_moe.corpus.run.stages import Listeners, Stage

_TELL_S = 0.5


@contextlib.contextmanager
def watched(stage: Stage, logs: Path, listeners: Listeners) -> Iterator[None]:
    """Tell how far a stage is, from another thread, while the block runs its tasks."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_TELL_S):
            listeners.tell(stage, logs)

    listeners.tell(stage, logs)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        listeners.tell(stage, logs)
