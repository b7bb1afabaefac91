"""The stages of a corpus build: what each is made of, how far it is, what it counted and what its log says."""

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger, setup_default_logger

from multipl_moe import errors
from multipl_moe.errors import TasksUnfinishedError, UserError

Step = PipelineStep | Callable[..., Any]
"""A step of datatrove's, or a function of (data, task, number of tasks)."""
TELL_S = 0.5  # between two tellings of how far a stage is
_USER_ERROR = re.compile(r"^multipl_moe\.errors\.(\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """Tasks that may run at the same time, after those of the stage before.

    Attributes:
        name: of its folder of logs, where datatrove marks the tasks that are done.
        title: what it does, for people.
        num_tasks: how many tasks there are; a step is told its number.
        make_steps: makes the steps of the pipeline that each task runs.
    """

    name: str
    title: str
    num_tasks: int
    make_steps: Callable[[], list[Step]]

    def tasks_left(self, logs: Path) -> list[int]:
        """Numbers of the tasks that are not done."""
        done = logs / self.name / "completions"
        return [task for task in range(self.num_tasks) if not (done / f"{task:05d}").exists()]

    def totals(self, logs: Path) -> Counter[str]:
        """Statistics of all steps and tasks by label, whichever process ran them and when."""
        totals: Counter[str] = Counter()
        for file in (logs / self.name / "stats").glob("*.json"):
            for step in json.loads(file.read_text(encoding="utf-8")):
                for label, metric in step["stats"].items():
                    totals[label] += int(metric["total"] if isinstance(metric, dict) else metric)
        return totals

    def require_done(self, logs: Path, among: Sequence[int] | None = None) -> None:
        """Raise what stopped tasks that ended without being done: a UserError of a log, or TasksUnfinishedError.

        Logs are looked at of all tasks that are left, or of those named.
        """
        left = self.tasks_left(logs) if among is None else among
        for task in left:
            log = logs / self.name / "logs" / f"task_{task:05d}.log"
            found = _USER_ERROR.findall(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else []
            for name, message in found[-1:]:
                kind = getattr(errors, name, UserError)
                raise kind(message)
        if left:
            raise TasksUnfinishedError(
                f"{self.title}: {len(left)} of {self.num_tasks} tasks ended without being done; "
                f"see {logs / self.name}; the same command goes on with them"
            )


OnTasks = Callable[[int, int], None]
"""Told how many tasks of a stage are done, and how many there are."""


@dataclass(frozen=True)
class Listeners:
    """Who is told the title of each stage that begins, and now and then, maybe from another thread, how far it is."""

    on_stage: Callable[[str], None]
    on_tasks: OnTasks | None

    def tell(self, stage: Stage, logs: Path) -> None:
        """Tell how far a stage is."""
        if self.on_tasks is not None:
            self.on_tasks(stage.num_tasks - len(stage.tasks_left(logs)), stage.num_tasks)


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
