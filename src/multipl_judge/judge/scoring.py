"""Judging many programs at once, with outcomes that do not depend on how many are judged at once."""

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import Any

from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Program

_QUEUED_PER_WORKER = 2
_MOST_WAITING = 256
_REMEMBERED = 4096


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


def key_of(program: Program, limits: Mapping[str, Any]) -> str:
    """A task's key: equal for programs that differ in nothing but the nonce, and have the same limits of the run.

    Args:
        program: made with a nonce that is the same for all.
        limits: those that are given to `judge_all`.
    """
    bounds = [f"{name}={value}" for name, value in limits.items()]
    parts = [program.language, program.source, *program.options, "", *program.wants, *bounds, f"{program.tolerance}"]
    parts += [text for pair in program.cases + program.files for text in pair]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def judge_all(
    tasks: Iterable[Task],
    *,
    on_result: Callable[[Task, Judgement], None],
    workers: int | None = None,
    unsafe: bool = False,
    toolbox: Toolbox | None = None,
    limits: Mapping[str, Any] | None = None,
) -> None:
    """Judge all tasks; programs with the same key are judged once, as long as no 4,096 others come between them.

    A program with a doubtful outcome is judged again, alone, when all others are done or 256 tasks wait for such an
    outcome, and only that counts; also where there is one worker, for the machine may have been busy with something
    else. One that others kept from using its time both times is a `harness_error`. So no number of tasks needs more
    memory than some thousands. An exception on the way is a `harness_error` of
    its program. An interrupt waits for the programs that are running, which are bound by their limits, and starts no
    others.

    Args:
        tasks: read as they are needed.
        on_result: called in this thread with each task and its judgement, as they come.
        workers: programs at a time; None: one for each processor that this process may use.
        unsafe: do without bubblewrap.
        toolbox: found toolchains, to be used again by a later call.
        limits: of the run stage by name, instead of those of the toolchains.

    Raises:
        ConfigError: the sandbox cannot be used here.
    """
    workers = workers or len(os.sched_getaffinity(0))
    with _workers(workers, unsafe, toolbox or Toolbox(), limits or {}) as submit:
        _Scoring(submit, on_result, _QUEUED_PER_WORKER * workers).score(tasks)


class _Scoring:
    """Which programs are done lately, running and in doubt; at most `max_running` run or wait for a worker."""

    def __init__(
        self,
        submit: Callable[[Task], Future[Judgement]],
        on_result: Callable[[Task, Judgement], None],
        max_running: int,
    ):
        self._submit = submit
        self._on_result = on_result
        self._max_running = max_running
        self._done: OrderedDict[str, Judgement] = OrderedDict()
        self._waiting: dict[str, list[Task]] = {}
        self._num_waiting = 0
        self._running: dict[Future[Judgement], str] = {}
        self._doubtful: list[str] = []

    def score(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if task.key in self._done:
                self._on_result(task, self._done[task.key])
                continue
            self._num_waiting += 1
            if task.key in self._waiting:
                self._waiting[task.key].append(task)
            else:
                self._waiting[task.key] = [task]
                self._running[self._submit(task)] = task.key
            while len(self._running) >= self._max_running:
                self._collect()
            if self._num_waiting >= _MOST_WAITING + self._max_running:
                self._settle_all()
        self._settle_all()

    def _settle_all(self) -> None:
        """Wait for what runs, and judge again what is in doubt."""
        while self._running:
            self._collect()
        for key in self._doubtful:
            self._settle(key, _named(self._submit(self._waiting[key][0]).result()))
        self._doubtful.clear()

    def _collect(self) -> None:
        finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in finished:
            key, judgement = self._running.pop(future), future.result()
            if judgement.doubtful:
                self._doubtful.append(key)
            else:
                self._settle(key, judgement)

    def _settle(self, key: str, judgement: Judgement) -> None:
        self._done[key] = judgement
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        tasks = self._waiting.pop(key)
        self._num_waiting -= len(tasks)
        for task in tasks:
            self._on_result(task, judgement)


def _named(judgement: Judgement) -> Judgement:
    """The second outcome of a program; that the machine had no time for it says nothing about the program."""
    if not judgement.doubtful or judgement.outcome not in (Outcome.timeout, Outcome.compile_timeout):
        return judgement
    said = f"twice other programs kept this one waiting, now for {judgement.compile_s + judgement.run_s:.0f} s\n"
    return replace(judgement, outcome=Outcome.harness_error, output=said + judgement.output)


@contextmanager
def _workers(
    number: int, unsafe: bool, toolbox: Toolbox, limits: Mapping[str, Any]
) -> Generator[Callable[[Task], Future[Judgement]]]:
    """What judges a task in the next thread that is free; each has a sandbox.

    In the end what runs is waited for, and what does not run yet is forgotten.
    """
    sandboxes: SimpleQueue[Sandbox] = SimpleQueue()

    def judge_task(task: Task) -> Judgement:
        sandbox = sandboxes.get()
        try:
            program = task.make_program()
            changed = None
            if limits:
                changed = replace(toolbox.installed(program.language, sandbox).toolchain.run_limits, **limits)
            return judge(program, sandbox, toolbox, changed)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return Judgement(Outcome.harness_error, "compile", said, 0.0, 0.0, 0, doubtful=True)
        finally:
            sandboxes.put(sandbox)

    with ExitStack() as opened:
        for _ in range(number):
            sandboxes.put(opened.enter_context(Sandbox(unsafe=unsafe)))
        threads = ThreadPoolExecutor(number, thread_name_prefix="judge")
        opened.callback(threads.shutdown, cancel_futures=True)
        yield partial(threads.submit, judge_task)
