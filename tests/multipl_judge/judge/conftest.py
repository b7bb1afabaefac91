"""Sandboxes for the tests, and the search for what a program left behind."""

import os
from collections.abc import Iterator

import psutil
import pytest

from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.languages.toolchain import Limits

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives user ids away and mounts")
SHORT = Limits(cpu_s=10, memory_bytes=256 * 2**20, processes=32, scratch_bytes=16 * 2**20)


@pytest.fixture
def sandbox(bubblewrap) -> Iterator[Sandbox]:
    """A sandbox of which no process may be left when the test ends."""
    with Sandbox() as opened:
        yield opened
        assert left_behind(opened) == []


@pytest.fixture(params=["bubblewrap", "unsafe"])
def any_sandbox(request) -> Iterator[Sandbox]:
    """A sandbox with bubblewrap, and one without."""
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    with Sandbox(unsafe=request.param == "unsafe") as opened:
        yield opened
        assert left_behind(opened) == []


def python(text: str) -> list[str]:
    """Command that runs a Python program."""
    return ["/usr/bin/python3", "-c", text]


def left_behind(sandbox: Sandbox) -> list[str]:
    """Processes of the sandbox's user, or where it has none, children of this process that look like a sandbox.

    Zombies count, but for those that the first process of this machine adopted: only sandboxes without bubblewrap make
    such, and the first process reaps them when it likes.
    """
    found = []
    for process in psutil.process_iter(["name", "status", "uids", "ppid"]):
        values = process.info
        if sandbox.uid is None:
            ours = values["ppid"] == os.getpid() and values["name"] in ("bwrap", "prlimit", "sh")
        else:
            ours = values["uids"] is not None and sandbox.uid in values["uids"]
        adopted = values["status"] == psutil.STATUS_ZOMBIE and values["ppid"] == 1
        if ours and not adopted:
            found.append(f"{process.pid} {values['name']} {values['status']}")
    return found
