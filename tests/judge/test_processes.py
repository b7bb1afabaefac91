"""The memory of a process tree: all of it, and what is shared once; and whether it got the processor that it wanted."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from multipl_moe.judge.processes import descendants, memory_bytes, processor_s

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


def test_a_process_that_is_gone_has_no_children_holds_nothing_and_has_had_nothing():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert descendants(process.pid) == [process.pid]
    assert memory_bytes([process.pid], 0) == 0
    assert processor_s([process.pid]) == (0, 0)


def test_all_processes_of_the_tree_are_found_and_shared_memory_counts_once_when_it_matters():
    with tree(3) as process_id:
        time.sleep(0.1)
        found = descendants(process_id)
        assert len(found) == 4
        assert memory_bytes(found, enough=2**40) > 3 * _HELD
        assert _HELD < memory_bytes(found, enough=0) < 1.5 * _HELD


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


def test_whoever_sleeps_neither_has_a_processor_nor_waits_for_one():
    with on_one_processor("import time; time.sleep(60)") as process_ids:
        had, waited = processor_s(process_ids)
        assert 0 < had < 0.25
        assert waited < 0.25
