"""A process tree: who belongs to it, and whether it got the processor that it wanted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from multipl_judge.judge.processes import Usage, descendants, start, usage
from tests.multipl_judge.judge.conftest import root_only


def test_a_process_that_is_gone_has_no_children_and_has_had_nothing():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert descendants(process.pid) == [process.pid]
    assert usage([process.pid], {}) == Usage(0, 0, 0, held_up=False)


@root_only
def test_pipes_are_the_owners_before_a_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Afterwards would be too late on a busy machine: the program opens /dev/stdin by name as soon as it likes."""
    owners, popen = [], subprocess.Popen

    def note(*words: Any, **ways: Any) -> Any:
        owners.extend(os.fstat(ways[name]).st_uid for name in ("stdin", "stdout", "stderr"))
        return popen(*words, **ways)

    monkeypatch.setattr(subprocess, "Popen", note)
    process = start(["cat"], environment={}, folder=tmp_path, owner=12345)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"text")
    process.stdin.close()
    assert (process.stdout.read(), process.wait(), owners) == (b"text", 0, [12345] * 3)


_PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


@contextmanager
def on_one_processor(*texts: str) -> Iterator[list[int]]:
    """Python programs that share a processor, half a second after their start."""
    one = str(min(os.sched_getaffinity(0)))
    processes = [subprocess.Popen(["taskset", "--cpu-list", one, sys.executable, "-S", "-c", text]) for text in texts]
    try:
        time.sleep(0.5)
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "script"])
def test_a_program_heeds_signals_that_the_judge_was_started_to_ignore(tmp_path: Path, number: signal.Signals):
    handler = signal.signal(number, signal.SIG_IGN)
    try:
        kills = ("/bin/sh", "-c", f"kill -{number} $$; echo went on")
        process = start(kills, environment={"PATH": "/usr/bin:/bin"}, folder=tmp_path)
    finally:
        signal.signal(number, handler)
    assert process.communicate(timeout=10)[0] == b""
    assert process.returncode == -number


def test_whoever_computes_waits_for_the_others_on_his_processor():
    with on_one_processor("while True: pass", "while True: pass") as process_ids:
        each = [usage([process_id], {}) for process_id in process_ids]
        assert all(one.cpu_s > 0.05 and one.starved_s > 0.1 for one in each)
        assert sum(one.cpu_s for one in each) < 0.6


def test_the_times_of_what_has_ended_count():
    text = "import os, time\nif not os.fork():\n while time.process_time() < 0.2: pass\n os._exit(0)\nos.wait()"
    with subprocess.Popen([sys.executable, "-S", "-c", f"{text}\nprint(flush=True)\ninput()"], **_PIPES) as process:
        assert process.stdout is not None
        seen = {Path("/proc/0/task/0"): 10**9}  # of one that is gone
        before = usage([process.pid], {})
        process.stdout.readline()
        used = usage([process.pid], seen).since(before)
        process.kill()
    assert 0.1 < used.ended_s <= used.cpu_s < 1
    assert used.starved_s > 0.9
