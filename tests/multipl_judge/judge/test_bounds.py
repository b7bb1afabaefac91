"""What a program holds outside of its processes, leaves for the next one or looks into: counted, or refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.system_calls import REFUSED, column, join_new_session_keyring
from tests.multipl_judge.judge.conftest import SHORT, python

_MIB = 2**20
# Files, many processes and what nobody can count: fills_folders.py, memory_hogs.py and hides_memory.py in evil.
_HOLDERS = {
    "names of files": """
for n in range(10**6): open(f"/tmp/{n}", "w").close()
""",
    "sockets": """
import os, socket
for _ in range(8):
    if not os.fork():
        held = [socket.socketpair() for _ in range(100)]
        for one, _ in held:
            one.setblocking(False)
            try:
                while True: one.send(bytes(2**16))
            except BlockingIOError: pass
        time.sleep(60)
os.wait()
""",
    "page tables": """
import mmap
held = mmap.mmap(-1, 2**40, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)
held.madvise(15)  # no huge pages
for n in range(0, 2**40, 2**21): held[n]
""",
}


@pytest.mark.parametrize("what", _HOLDERS)
def test_memory_that_is_in_no_single_process_is_limited(what, sandbox):
    limits = replace(SHORT, memory_bytes=64 * _MIB, scratch_bytes=64 * _MIB, cpu_s=60)
    done = sandbox.run(python(f"import time\n{_HOLDERS[what]}\ntime.sleep(2)"), limits=limits)
    assert done.stopped_by == "memory", done
    assert limits.memory_bytes < done.peak_bytes < 512 * _MIB


@pytest.mark.skipif(column() is None, reason="no filter of system calls for this machine")
@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("is_filtered", [True, False])
def test_no_program_leaves_a_key_for_the_next(is_filtered, monkeypatch):
    """Also where there is no filter; the judge's own session has a keyring of its own here."""
    place = column()
    assert place is not None
    monkeypatch.setattr(Sandbox, "is_filtered", is_filtered)
    add, find = (REFUSED[name][place] for name in ("add_key", "request_key"))
    leave = f"print(libc.syscall({add}, b'user', b'note', b'secret', 6, -3) > 0)"
    look = f"print(libc.syscall({find}, b'user', b'note', None, 0) > 0)"
    with ThreadPoolExecutor(1) as thread, Sandbox() as one, Sandbox() as other:
        thread.submit(join_new_session_keyring).result()
        printed = [
            thread.submit(sandbox.run, python(f"import ctypes\nlibc = ctypes.CDLL(None)\n{text}"), limits=SHORT)
            for sandbox, text in ((one, leave + "\n" + look), (other, look))
        ]
        expected = [b"False\nFalse\n", b"False\n"] if is_filtered else [b"True\nTrue\n", b"False\n"]
        assert [done.result().stdout for done in printed] == expected
