"""What keeps strangers' programs within bounds on this machine, and what cannot be had here."""

import os
from dataclasses import dataclass

from multipl_judge.judge.memory_group import VARIABLE
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.system_calls import column


@dataclass(frozen=True)
class Guard:
    """One of them.

    Attributes:
        what: what it guards.
        state: how, or why it does not.
        is_full: whether it is all that it can be.
    """

    what: str
    state: str
    is_full: bool


def guards_of(sandbox: Sandbox) -> list[Guard]:
    """The guards in force for programs of a sandbox."""
    own_user = "a user for each worker" if sandbox.uid is not None else "all run as this user; root gives each its own"
    missing = f"watched every 40 ms; no control group ({VARIABLE}=FOLDER names one to make others in)"
    memory = "watched every 40 ms, and a control group" if sandbox.group else missing
    return [
        Guard("files, network, processes", "none" if sandbox.unsafe else "bubblewrap", not sandbox.unsafe),
        _system_calls(sandbox),
        Guard("memory", memory, sandbox.group is not None),
        Guard("users", own_user, sandbox.uid is not None),
    ]


def _system_calls(sandbox: Sandbox) -> Guard:
    if sandbox.unsafe:
        state = "not filtered without bubblewrap"
    elif sandbox.is_filtered:
        return Guard("system calls", "filtered (seccomp)", is_full=True)
    else:
        machine = os.uname().machine
        state = "not filtered: " + ("seccomp does not work here" if column() is not None else f"no table for {machine}")
    keyring = "; a new session keyring for each program" if column() is not None else ""
    return Guard("system calls", state + keyring, is_full=False)
