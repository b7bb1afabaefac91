"""Tasks in processes of their own: as many at a time as asked for, and none outlives the first that fails."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from multipl_moe.corpus.run.forks import run_in_forks
from multipl_moe.corpus.run.stages import Listeners, Stage, quiet
from multipl_moe.errors import CorpusError, TasksUnfinishedError


def run(folder: Path, step: Callable[[Any, int, int], Any], *, num_tasks: int = 4, workers: int = 2) -> Stage:
    told: list[tuple[int, int]] = []
    stage = Stage("1_try", "Trying", num_tasks, lambda: [step])
    before = (num_tasks - len(stage.tasks_left(folder)), num_tasks)
    with quiet(folder / stage.name):
        run_in_forks(stage, workers, folder, Listeners(lambda title: None, lambda *tasks: told.append(tasks)))
    assert [told[0], told[-1]] == [before, (num_tasks, num_tasks)]
    return stage


@contextmanager
def handled(number: int, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


def test_so_many_tasks_run_at_a_time_and_each_once(tmp_path):
    def step(data: Any, task: int, num_tasks: int) -> None:
        (tmp_path / f"{task}.began").touch()
        time.sleep(0.1)
        at_a_time = len(list(tmp_path.glob("*.began"))) - len(list(tmp_path.glob("*.ended")))
        (tmp_path / f"{task}.ended").write_text(f"{at_a_time} {os.getpid()}")

    stage = run(tmp_path, step, num_tasks=5, workers=3)
    seen = [(tmp_path / f"{task}.ended").read_text().split() for task in range(5)]
    assert max(int(at_a_time) for at_a_time, _ in seen) <= 3
    assert len({process for _, process in seen}) == 5
    assert stage.tasks_left(tmp_path) == []


def test_what_is_done_is_not_done_again(tmp_path):
    def step(data: Any, task: int, num_tasks: int) -> None:
        with (tmp_path / "tasks").open("a") as stream:
            stream.write(f"{task}\n")
        if task == 2 and not (tmp_path / "again").exists():
            raise CorpusError("corpus.sources: /x: no such folder")

    with pytest.raises(CorpusError, match=r"^corpus.sources: /x: no such folder$"):
        run(tmp_path, step, workers=1)
    (tmp_path / "again").touch()
    run(tmp_path, step, workers=1)
    assert (tmp_path / "tasks").read_text().split() == ["0", "1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("signal_number", "is_ignored"), [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGKILL, True)]
)
def test_a_worker_that_is_killed_ends_the_others_at_once_although_this_process_ignores_sigterm(
    tmp_path, signal_number, is_ignored
):
    def step(data: Any, task: int, num_tasks: int) -> None:
        if task == 1:
            os.kill(os.getpid(), signal_number)
        time.sleep(60)

    began = time.monotonic()
    with (
        handled(signal.SIGTERM, (lambda *_: None) if is_ignored else signal.SIG_DFL),
        pytest.raises(TasksUnfinishedError, match=rf"Trying: a worker was killed \(signal {signal_number:d}\)"),
    ):
        run(tmp_path, step)
    assert time.monotonic() - began < 30


def test_a_worker_that_is_ended_the_moment_it_is_forked_does_not_run_its_parents_handler(tmp_path, monkeypatch):
    def fork_and_end() -> int:
        process = fork()
        if process == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return process

    fork = os.fork
    monkeypatch.setattr(os, "fork", fork_and_end)
    with handled(signal.SIGTERM, lambda *_: os._exit(0)):
        with pytest.raises(TasksUnfinishedError, match=r"killed \(signal 15\)"):
            run(tmp_path, lambda data, task, num_tasks: None)
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_task_that_fails_for_a_reason_of_its_own_is_pointed_at(tmp_path):
    def step(data: Any, task: int, num_tasks: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(TasksUnfinishedError, match=r"Trying: 1 of 4 tasks ended without being done; see .*1_try"):
        run(tmp_path, step)
    assert any("ZeroDivisionError" in log.read_text() for log in (tmp_path / "1_try" / "logs").iterdir())


def test_ctrl_c_ends_all(tmp_path):
    def step(data: Any, task: int, num_tasks: int) -> None:
        if task == 1:
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)

    # a worker of pytest-xdist ignores it
    with handled(signal.SIGINT, signal.default_int_handler), pytest.raises(KeyboardInterrupt):
        run(tmp_path, step)
