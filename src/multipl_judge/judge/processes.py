"""The processes of one command: started, their processor time read from /proc, and all of them ended."""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from multipl_judge.judge.worker_uid import WorkerUid

_WAIT_S = 10.0
_NS_PER_S = 10**9
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_TELLS = Path("/proc/self/schedstat").exists()
_IGNORED_BEHIND = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)  # by nohup, or a script that goes on
_FIRST_TIME = 11  # of the four times in a process's stat, after the name


class SandboxError(Exception):
    """The sandbox itself could not start or end a command: says nothing about the command."""


@dataclass(frozen=True)
class Streams:
    """The judge's ends of a program's standard streams, and a descriptor that can be read once it has ended."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    end: int


def start(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    descriptors: tuple[int, ...] = (),
    owner: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process with three pipes, in a session of its own.

    It heeds every signal, also where this process was started to ignore some, as behind nohup: a program that signals
    its tests has the same outcome however the judge was started.

    The pipes are the `owner`'s, a user id, before it runs: else only who made one may open it by name, as /dev/stdin.

    Raises:
        SandboxError: it cannot be started.
    """
    # Not by preexec_fn, which may block for ever where other threads run.
    ignores = any(signal.getsignal(number) is signal.SIG_IGN for number in _IGNORED_BEHIND)
    heeding = ("/usr/bin/env", "--default-signal") if ignores else ()
    (its_in, stdin), (stdout, its_out), (stderr, its_err) = pipes = [os.pipe() for _ in range(3)]
    try:
        if owner is not None:
            for read, _ in pipes:
                os.fchown(read, owner, owner)
        process = subprocess.Popen(
            (*heeding, *words),
            stdin=its_in,
            stdout=its_out,
            stderr=its_err,
            bufsize=0,
            env=environment,
            cwd=folder,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        raise SandboxError(f"{words[0]} cannot be started: {error.strerror}") from error
    finally:
        for descriptor in (its_in, its_out, its_err):
            os.close(descriptor)
    process.stdin, process.stdout, process.stderr = (
        os.fdopen(descriptor, mode, 0) for descriptor, mode in ((stdin, "wb"), (stdout, "rb"), (stderr, "rb"))
    )
    return process


def streams_of(process: subprocess.Popen[bytes]) -> Streams:
    """What a process with three pipes is served by; its end is seen on its pid descriptor."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return Streams(process.stdin, process.stdout, process.stderr, os.pidfd_open(process.pid))


def descendants(process_id: int) -> list[int]:
    """A process and all below it. What runs in a pid namespace cannot leave the tree, daemons included."""
    found = [process_id]
    for parent in found:
        found += _children(parent)
    return found


@dataclass(frozen=True)
class Usage:
    """What processes did with their time.

    Attributes:
        cpu_s: processor time of all of them, and of their children that have ended.
        starved_s: time for which their threads wanted a processor and did not get it, summed.
        ended_s: processor time of children that have ended, of which nobody can tell how long they wanted one at last.
        held_up: whether they may wait for something else that is slow, or the kernel does not tell of that time.
    """

    cpu_s: float
    starved_s: float
    ended_s: float
    held_up: bool

    def since(self, before: "Usage") -> "Usage":
        """What has come since an earlier look."""
        times = (self.cpu_s - before.cpu_s, self.starved_s - before.starved_s, self.ended_s - before.ended_s)
        return Usage(*times, self.held_up)


def usage(process_ids: Sequence[int], seen: dict[Path, int]) -> Usage:
    """What processes did with their time until now.

    Args:
        process_ids: those that are there now.
        seen: how long each thread wanted a processor, also of those that are gone: for the next look.
    """
    ticks = [_ticks(Path(f"/proc/{process_id}")) for process_id in process_ids]
    for thread in _all_threads(process_ids):
        seen[thread] = max(seen.get(thread, 0), _starved_ns(thread))
    return Usage(
        sum(own + ended for own, ended in ticks) / _TICKS_PER_S,
        sum(seen.values()) / _NS_PER_S,
        sum(ended for _, ended in ticks) / _TICKS_PER_S,
        not _TELLS,
    )


def waits_for_a_disk(process_ids: Sequence[int]) -> bool:
    """Whether a thread of processes does so now."""
    return any(_stat(thread)[:1] == ["D"] for thread in _all_threads(process_ids))


def end_bubblewrap(process: subprocess.Popen[bytes]) -> int:
    """End the first process inside, and give bubblewrap's exit code: it waits for all others, which the kernel ends.

    Killing bubblewrap itself would leave the first process to be reaped by whoever adopts it.
    """
    if process.poll() is None:
        inside = _children(process.pid)
        for child in inside:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not inside:
            process.kill()
    return _wait(process)


def end_unprotected(process: subprocess.Popen[bytes], worker: WorkerUid) -> int:
    """End a process group and, where the worker has an own user, all that runs as this user; gives the exit code."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if worker.uid is not None:
        words = [*worker.become(), "sh", "-c", "kill -KILL -1"]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        _wait_for_user(worker.uid)
    return _wait(process)


def wait_until_readable(descriptor: int, seconds: float) -> None:
    """Wait until something can be read, or the time is over."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    waiting.poll(1000 * seconds)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Reap a process that was killed; Popen's own waiting with a limit sleeps for milliseconds."""
    if process.poll() is None:
        try:
            end = os.pidfd_open(process.pid)
        except OSError:  # too many files are open
            with suppress(subprocess.TimeoutExpired):
                process.wait(_WAIT_S)
        else:
            wait_until_readable(end, _WAIT_S)
            os.close(end)
        if process.poll() is None:
            process.kill()
    return process.wait()


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


def _all_threads(process_ids: Sequence[int]) -> list[Path]:
    return [thread for process_id in process_ids for thread in _threads(process_id)]


def _threads(process_id: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{process_id}/task").iterdir())
    except OSError:
        return []


def _starved_ns(thread: Path) -> int:
    try:
        return int((thread / "schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _ticks(process: Path) -> tuple[int, int]:
    """Processor time of a process, and that of the children that it has waited for."""
    fields = _stat(process)[_FIRST_TIME : _FIRST_TIME + 4]
    own, system, ended, ended_system = map(int, fields or (0, 0, 0, 0))
    return own + system, ended + ended_system


def _stat(thread: Path) -> list[str]:
    """The fields after the name: state first; none of what is gone."""
    try:
        return (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
