"""Judging many programs at once, with outcomes that do not depend on how many are judged at once."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from multipl_moe.judge.judge import judge
from multipl_moe.judge.outcome import Judgement, Outcome
from multipl_moe.judge.program import Program
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.limits import Limits

_QUEUED_PER_WORKER = 2


@dataclass(frozen=True)
class Task:
    """A program to judge.

    Attributes:
        key: equal for programs that must have the same outcome: language, options, and source without the nonce.
        make_program: makes the program, with a nonce of its own; called once for all tasks of a key, or again if it
            must be judged again.
    """

    key: str
    make_program: Callable[[], Program]


def judge_all(
    tasks: Iterable[Task],
    *,
    on_result: Callable[[Task, Judgement], None],
    workers: int | None = None,
    unsafe: bool = False,
    toolbox: Toolbox | None = None,
    limits: Limits | None = None,
) -> None:
    """Judge all tasks; programs with the same key are judged once.

    A program with a doubtful outcome is judged again when all others are done, alone, and only that counts; also where
    there is one worker, for the machine may have been busy with something else. An exception on the way is a
    `harness_error` of its program. An interrupt waits for the programs that are running, which are bound by their
    limits, and starts no others.

    Args:
        tasks: read as they are needed.
        on_result: called in this thread with each task and its judgement, as they come.
        workers: programs at a time; None: one for each processor that this process may use.
        unsafe: do without bubblewrap.
        toolbox: found toolchains, to be used again by a later call.
        limits: of the run stage, instead of those of the toolchains.

    Raises:
        ConfigError: the sandbox cannot be used here.
    """
    workers = workers or len(os.sched_getaffinity(0))
    with _Workers(workers, unsafe, toolbox or Toolbox(), limits).open() as pool:
        done: dict[str, Judgement] = {}
        waiting: dict[str, list[Task]] = {}
        running: dict[Future[Judgement], str] = {}
        doubtful: list[str] = []

        def settle(key: str, judgement: Judgement) -> None:
            done[key] = judgement
            for task in waiting.pop(key):
                on_result(task, judgement)

        def collect() -> None:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                key, judgement = running.pop(future), future.result()
                if judgement.doubtful:
                    doubtful.append(key)
                else:
                    settle(key, judgement)

        for task in tasks:
            if task.key in done:
                on_result(task, done[task.key])
            elif task.key in waiting:
                waiting[task.key].append(task)
            else:
                waiting[task.key] = [task]
                running[pool.submit(task)] = task.key
            while len(running) >= _QUEUED_PER_WORKER * workers:
                collect()
        while running:
            collect()
        for key in doubtful:
            settle(key, pool.submit(waiting[key][0]).result())


class _Workers:
    """Threads with a sandbox each."""

    def __init__(self, number: int, unsafe: bool, toolbox: Toolbox, limits: Limits | None):
        self._number = number
        self._unsafe = unsafe
        self._toolbox = toolbox
        self._limits = limits
        self._sandboxes: SimpleQueue[Sandbox] = SimpleQueue()
        self._threads: ThreadPoolExecutor

    @contextmanager
    def open(self) -> Iterator["_Workers"]:
        """Start the threads; in the end what runs is waited for, and what does not run yet is forgotten."""
        sandboxes: list[Sandbox] = []
        self._threads = ThreadPoolExecutor(self._number, thread_name_prefix="judge")
        try:
            for _ in range(self._number):
                sandboxes.append(Sandbox(unsafe=self._unsafe))
                self._sandboxes.put(sandboxes[-1])
            yield self
        finally:
            self._threads.shutdown(cancel_futures=True)
            for sandbox in sandboxes:
                sandbox.close()

    def submit(self, task: Task) -> "Future[Judgement]":
        """Judge a task in the next thread that is free."""
        return self._threads.submit(self._judge, task)

    def _judge(self, task: Task) -> Judgement:
        sandbox = self._sandboxes.get()
        try:
            return judge(task.make_program(), sandbox, self._toolbox, self._limits)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return Judgement(Outcome.harness_error, "compile", said, 0.0, 0.0, 0, doubtful=True)
        finally:
            self._sandboxes.put(sandbox)
