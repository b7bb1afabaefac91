"""How a process is told to go: by signals, and by a terminal that is closed under it."""

import os
import pty
import signal
import sys

import pytest

from multipl_moe.errors import Preempted
from multipl_moe.system.launch import ending_signals, preemptible

_WAITS = """
import os, sys, time
from multipl_moe.errors import Preempted
from multipl_moe.system.launch import preemptible
try:
    with preemptible():
        os.write({ready}, b"r")
        time.sleep(60)
except Preempted as signal:
    print("to a terminal that is gone", flush=True)
    os.write({ready}, str(signal).encode())
"""


def test_a_terminal_that_is_closed_ends_the_work_and_takes_no_more_of_what_is_told():
    read, write = os.pipe()
    os.set_inheritable(write, True)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", _WAITS.format(ready=write)])
    os.close(write)
    assert os.read(read, 1) == b"r"
    os.close(terminal)
    assert os.read(read, 10) == b"SIGHUP"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_nohup_ignores_stays_ignored(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    assert ending_signals() == [signal.SIGTERM]


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(Preempted, match="SIGTERM"), preemptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
