"""A stage's tasks on this machine, each in a process of its own.

datatrove's executor has a pool of processes, which waits for ever for the task of a worker that was killed, as for want
of memory, and sometimes for a lock that a dead worker held. Here the main thread forks a process for each task and
waits for its end: no lock, no queue, and no thread of the build that could hold a lock while it forks.
"""

import contextlib
import ctypes
import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor

from multipl_moe.corpus.run.stages import TELL_S, Listeners, Stage
from multipl_moe.errors import TasksUnfinishedError
from multipl_moe.system.disk_errors import disk_errno

_SET_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
_ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_END_S = 10


class TaskExecutor(LocalPipelineExecutor):
    """Runs one task of a stage in the process that calls it."""

    def __init__(self, stage: Stage, logs: Path, task: int) -> None:
        steps: list[Any] = list(stage.make_steps())
        super().__init__(steps, tasks=stage.num_tasks, workers=1, logging_dir=str(logs / stage.name))
        self._task = task

    def run(self) -> None:
        """Mark the task as done, or raise what stops it, after noting that in its log."""
        self._run_for_rank(self._task)


def run_in_forks(stage: Stage, workers: int, logs: Path, listeners: Listeners) -> None:
    """Run the tasks of a stage that are left, `workers` at a time; the first that fails ends the others.

    Raises what `run_stages` does, and an OSError where the disk took no more of a task's output.
    """
    listeners.tell(stage, logs)
    with _ended_at_last() as running:
        for task in stage.tasks_left(logs):
            _wait_for_fewer(workers, running, stage, logs, listeners)
            process = multiprocessing.get_context("fork").Process(
                target=_run_task, args=(stage, logs, task, os.getpid())
            )
            running[task] = process  # before it starts: whatever comes in between, it is ended
            with _signals_held():
                process.start()
        _wait_for_fewer(1, running, stage, logs, listeners)


def die_with_parent(data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
    """Ask the system to end this process with its parent; passes `data` on, as the first step of a pipeline does.

    One whose parent was killed would go on writing beside the workers of the next start. Linux alone can end it;
    elsewhere it ends after its task.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    return data


def _run_task(stage: Stage, logs: Path, task: int, parent: int) -> None:
    # Ctrl-C and SIGHUP reach all processes of a terminal; it is the parent that ends the others, by a signal for which
    # it may itself have a handler, as Ray's, that lets them live on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    die_with_parent()
    if os.getppid() == parent:  # else it died in between
        try:
            TaskExecutor(stage, logs, task).run()
        except Exception as error:
            if (number := disk_errno(error)) is not None:
                os._exit(number)  # without room to tell it in the log, or even to flush that
            raise


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    # The parent's handler must not run in a child that was just forked: it would raise there, and the child would go
    # on as a second parent.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for_fewer(
    workers: int, running: dict[int, BaseProcess], stage: Stage, logs: Path, listeners: Listeners
) -> None:
    while len(running) >= workers:
        wait([process.sentinel for process in running.values()], timeout=TELL_S)
        listeners.tell(stage, logs)
        for task, process in [*running.items()]:
            if process.exitcode is not None:
                _require_done(stage, logs, task, process)
                del running[task]


def _require_done(stage: Stage, logs: Path, task: int, process: BaseProcess) -> None:
    code = process.exitcode or 0
    if code < 0:
        raise TasksUnfinishedError(
            f"{stage.title}: a worker was killed (signal {-code}), maybe for want of memory: lower "
            "corpus.executor.workers or corpus.max_file_bytes; the same command goes on with the tasks that are left"
        )
    if code in errno.errorcode and code > 1:
        raise OSError(code, os.strerror(code))
    if code > 0:
        stage.require_done(logs, [task])


@contextlib.contextmanager
def _ended_at_last() -> Iterator[dict[int, BaseProcess]]:
    """Processes by task, none of which outlives the block."""
    running: dict[int, BaseProcess] = {}
    try:
        yield running
    finally:
        started = [process for process in running.values() if process.pid is not None]
        for process in started:
            process.terminate()
        for process in started:
            process.join(_END_S)
            process.kill()
            process.join()
