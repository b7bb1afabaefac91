"""A process tree: who belongs to it, and whether it got the processor that it wanted."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from multipl_judge.judge.processes import descendants, processor_s, start, was_held_up
from tests.multipl_judge.judge.conftest import root_only


def test_a_process_that_is_gone_has_no_children_and_has_had_nothing():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert descendants(process.pid) == [process.pid]
    assert processor_s([process.pid]) == (0, 0)


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


def test_whoever_computes_waits_for_the_others_on_his_processor():
    with on_one_processor("while True: pass", "while True: pass") as process_ids:
        each = [processor_s([process_id]) for process_id in process_ids]
        assert all(had > 0.05 and waited > 0.1 for had, waited in each)
        assert sum(had for had, _ in each) < 0.6


@pytest.mark.parametrize(
    ("text", "is_held_up"),
    [
        ("pass", False),
        ("if not os.fork():\n while time.process_time() < 0.2: pass\n os._exit(0)\nos.wait()", True),
    ],
    ids=["asleep", "has had a child that computed"],
)
def test_a_child_that_has_ended_may_have_waited_for_a_processor(text, is_held_up):
    text = f"import os, time\n{text}\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-S", "-c", text], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert was_held_up([process.pid], 0.1) is is_held_up
        process.kill()
