"""The memory of a process tree: all of it, and what is shared once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from multipl_judge.judge.memory import memory_bytes, sandbox_bytes
from multipl_judge.judge.processes import descendants

_HELD = 2**27


@contextmanager
def tree(num_children: int) -> Iterator[int]:
    """A process that holds 128 MB and shares them with its children."""
    text = (
        f"import os, time\nheld = bytearray(b'x') * {_HELD}\n"
        f"for _ in range({num_children}):\n if not os.fork(): time.sleep(60)\n"
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            for process_id in descendants(process.pid):
                subprocess.run(["kill", "-KILL", str(process_id)], check=True)


def test_a_process_that_is_gone_holds_nothing():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert memory_bytes([process.pid], 0) == 0
    assert sandbox_bytes(process.pid, ["/tmp"], 2**20) == 0


@pytest.mark.parametrize("name", [b"x kB", b"9 kB", b"\xff", b"\rVmPTE: x kB"])
def test_a_process_may_have_any_name(name):
    text = f"import time\nopen('/proc/self/comm', 'wb').write({name!r})\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            assert 2**20 < memory_bytes([process.pid], 2**40) < 2**27
        finally:
            process.kill()


def test_all_processes_of_the_tree_are_found_and_shared_memory_counts_once_when_it_matters():
    with tree(3) as process_id:
        time.sleep(0.1)
        found = descendants(process_id)
        assert len(found) == 4
        assert memory_bytes(found, enough=2**40) > 3 * _HELD
        assert _HELD < memory_bytes(found, enough=_HELD) < 1.5 * _HELD
