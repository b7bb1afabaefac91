"""The processes of one command: started, their processor time read from /proc, and all of them ended."""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from multipl_moe.errors import MultiplMoeError
from multipl_moe.judge.worker_uid import WorkerUid

_WAIT_S = 10.0
_NS_PER_S = 10**9


class SandboxError(MultiplMoeError):
    """The sandbox itself could not start or end a command: says nothing about the command."""


def start(
    words: Sequence[str], *, environment: Mapping[str, str], folder: Path, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start a process with three pipes, in a session of its own.

    Raises:
        SandboxError: it cannot be started.
    """
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd=folder,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"{words[0]} cannot be started: {error.strerror}") from error


def descendants(process_id: int) -> list[int]:
    """A process and all below it. What runs in a pid namespace cannot leave the tree, daemons included."""
    found = [process_id]
    for parent in found:
        found += _children(parent)
    return found


def processor_s(process_ids: Iterable[int]) -> tuple[float, float]:
    """Seconds for which processes had a processor, and those for which they wanted one and did not get it.

    Both are sums over all threads that are there now; 0 where the kernel does not tell.
    """
    times = [_scheduled_ns(thread) for process_id in process_ids for thread in _threads(process_id)]
    return sum(had for had, _ in times) / _NS_PER_S, sum(waited for _, waited in times) / _NS_PER_S


def end_bubblewrap(process: subprocess.Popen[bytes]) -> None:
    """End the first process inside: with it the kernel ends all others, and bubblewrap waits for that.

    Killing bubblewrap itself would leave the first process to be reaped by whoever adopts it.
    """
    if process.poll() is None:
        inside = _children(process.pid)
        for child in inside:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not inside:
            process.kill()
    _wait(process)


def end_unprotected(process: subprocess.Popen[bytes], worker: WorkerUid) -> None:
    """End a process group and, where the worker has an own user, all that runs as this user."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if worker.uid is not None:
        words = [*worker.become(), "sh", "-c", "kill -KILL -1"]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        _wait_for_user(worker.uid)
    _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_user(uid: int) -> None:
    """Wait until all processes of a user, which were killed, are dead; whoever adopted them reaps them."""
    for process in psutil.process_iter(["uids", "status"]):
        uids = process.info["uids"]
        if uids and uids.real == uid and process.info["status"] != psutil.STATUS_ZOMBIE:
            with suppress(psutil.Error):
                process.wait(_WAIT_S)


def _children(process_id: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in _threads(process_id):
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def _threads(process_id: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{process_id}/task").iterdir())
    except OSError:
        return []


def _scheduled_ns(thread: Path) -> tuple[int, int]:
    try:
        had, waited, _ = (thread / "schedstat").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    return int(had), int(waited)
