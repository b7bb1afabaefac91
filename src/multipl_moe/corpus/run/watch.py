"""Watching the tasks of a stage: telling how many are done, and noticing that a worker was killed."""

import contextlib
import itertools
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from multiprocess.process import BaseProcess, active_children

from multipl_moe.corpus.run.stages import Listeners, Stage
from multipl_moe.errors import TasksUnfinishedError

_POLL_S = 0.1
_POLLS_BETWEEN_TELLING = 5


@contextlib.contextmanager
def watched(stage: Stage, logs: Path, listeners: Listeners) -> Iterator[None]:
    """Tell how far a stage is, from another thread, while the block in the main thread runs its tasks.

    A pool of processes waits for ever for the task of a worker that was killed, as for want of memory; here it stops.

    Raises:
        TasksUnfinishedError: a worker was killed.
    """
    ended, killed_by = threading.Event(), list[int]()

    def watch() -> None:
        workers: set[BaseProcess] = set()
        for number in itertools.count():
            if ended.wait(_POLL_S):
                return
            if number % _POLLS_BETWEEN_TELLING == 0:
                listeners.tell(stage, logs)
            workers.update(active_children())
            if not killed_by and (signals := [code for worker in workers if (code := _signal_of(worker))]):
                killed_by.extend(signals)
                signal.pthread_kill(main, signal.SIGINT)  # the only thing that wakes it

    main = threading.main_thread().ident or 0
    listeners.on_stage(stage.title)
    listeners.tell(stage, logs)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with _woken_if(killed_by):
            yield
    except KeyboardInterrupt:
        if not killed_by:
            raise
        raise TasksUnfinishedError(
            f"{stage.title}: a worker was killed (signal {killed_by[0]}), maybe for want of memory: lower "
            "corpus.executor.workers or corpus.max_file_bytes; the same command goes on with the tasks that are left"
        ) from None
    finally:
        ended.set()
        watcher.join()
        listeners.tell(stage, logs)


@contextlib.contextmanager
def _woken_if(killed_by: list[int]) -> Iterator[None]:
    """SIGINT ends the block once a worker was killed, also where it is ignored, as by what a shell runs with `&`."""
    previous = signal.getsignal(signal.SIGINT) or signal.SIG_DFL

    def interrupt(number: int, frame: FrameType | None) -> None:
        if killed_by or previous is signal.SIG_DFL:
            raise KeyboardInterrupt
        if callable(previous):
            previous(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _signal_of(worker: BaseProcess) -> int | None:
    """What killed a worker; None if it lives, ended by itself or was ended by its pool."""
    code = worker.exitcode
    return -code if code is not None and code < 0 and code != -signal.SIGTERM else None
