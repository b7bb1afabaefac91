"""Beside the tasks of a stage: telling how many are done, and keeping datatrove's log out of the terminal."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from datatrove.utils.logging import logger, setup_default_logger

from multipl_moe.corpus.run.stages import TELL_S, Listeners, Stage


@contextlib.contextmanager
def watched(stage: Stage, logs: Path, listeners: Listeners) -> Iterator[None]:
    """Tell how far a stage is, from another thread, while the block runs its tasks."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(TELL_S):
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


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """Send what datatrove tells the terminal to a file: it adds a handler on sys.stderr before and after each task."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / "terminal.log").open("a", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
            try:
                logger.remove()
                logger.add(stream)
                yield
            finally:
                logger.remove()
    finally:
        setup_default_logger()
