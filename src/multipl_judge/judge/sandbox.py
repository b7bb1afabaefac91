"""The sandbox: one command of a stranger, run with no network, a read-only system and limits on all it can use.

With bubblewrap the command sees /usr, a few files of /etc, an own /proc and /dev, folders in memory that it may
write, and what is bound for it. It is alone in its namespaces and cannot make new ones; started by root, it runs as
the user of its worker. When its first process ends, the kernel ends all others.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from io import FileIO
from pathlib import Path

from multipl_judge.errors import ConfigError
from multipl_judge.judge.bubblewrap import (
    FOLDERS_IN_MEMORY,
    INSIDE,
    SCRATCH,
    Asked,
    BindMounts,
    bubblewrap_arguments,
)
from multipl_judge.judge.memory_group import MemoryGroup
from multipl_judge.judge.processes import SandboxError, end_bubblewrap, end_unprotected, start, streams_of
from multipl_judge.judge.runner import COVER, RUNNER, STREAMS, Runner
from multipl_judge.judge.supervise import Finished, supervise
from multipl_judge.judge.system_calls import column, join_new_session_keyring, system_call_filter
from multipl_judge.judge.worker_uid import WorkerUid
from multipl_judge.languages.toolchain import Limits

__all__ = ["Finished", "Sandbox", "SandboxError"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SIGNAL_BASE = 128
_TRIAL = Limits(cpu_s=60, memory_bytes=2**30)
# The first process inside waits for the command and for no daemon, and keeps the shell's own remarks to itself.
_FIRST_PROCESS = 'exec 3>&2 2>/dev/null; (exec "$@") 2>&3 3>&-; exit $?'


class Sandbox:
    """Runs the commands of one worker, one at a time; a context manager.

    Args:
        unsafe: do without bubblewrap. Limits hold, but that of processes only for root; and the command sees this
            machine's files and network.

    Attributes:
        is_filtered: whether programs in bubblewrap are under the filter of system calls; the same for all sandboxes.
        shares: whether runs of a command may share a sandbox; the same for all, and no longer once that failed.
        group: the control group that bounds their memory besides the watcher, if there is one.

    Raises:
        ConfigError: bubblewrap is missing or does not work here, or all user ids of workers are taken.
    """

    _has_worked = False
    shares = True
    is_filtered = column() is not None

    def __init__(self, *, unsafe: bool = False):
        self.unsafe = unsafe
        if not unsafe and not self.available():
            raise ConfigError(
                "sandbox: programs are run in bubblewrap, which is not installed; "
                "install it (Debian: apt install bubblewrap) or run them unprotected with --unsafe-no-sandbox"
            )
        self._worker = WorkerUid()
        self.group = None if self.uid is None else MemoryGroup.make(f"multipl-moe-{self.uid}")
        if not unsafe and not Sandbox._has_worked:
            self._try_out()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the worker has to itself."""
        if self.group:
            self.group.close()
        self._worker.close()

    @property
    def uid(self) -> int | None:
        """User id of all that runs in this sandbox, None if it is the caller's."""
        return self._worker.uid

    @staticmethod
    def available() -> bool:
        """Whether bubblewrap is installed."""
        return shutil.which("bwrap") is not None

    def seen_as(self, folder: Path) -> str:
        """The path by which commands see the `folder` of `run`."""
        return str(folder) if self.unsafe else INSIDE

    @contextmanager
    def new_folder(self) -> Generator[Path]:
        """A fresh host folder that this sandbox's user can read and write, removed in the end."""
        folder = tempfile.TemporaryDirectory(prefix="multipl-moe-", ignore_cleanup_errors=True)
        try:
            self._worker.own(folder.name)
            yield Path(folder.name)
        finally:
            try:
                folder.cleanup()
            except RecursionError:  # before Python 3.13, of folders a thousand deep
                subprocess.run(["rm", "-rf", "--", folder.name], check=False)

    def run(
        self,
        command: Sequence[str],
        *,
        limits: Limits,
        folder: Path | None = None,
        writable: bool = False,
        stdin: bytes = b"",
        read_only_binds: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        overlay: Path | None = None,
        forks: bool = True,
    ) -> Finished:
        """Run a command to its end; nothing of it is left running when this returns.

        Args:
            command: the program and its arguments; its working directory is a folder in memory.
            limits: what it may use.
            folder: a host folder that it sees as `seen_as(folder)`.
            writable: whether it may write there. The folder then belongs to the sandbox's user. What it leaves there is
                not to be trusted: it may be links to anywhere.
            stdin: its whole standard input.
            read_only_binds: more host paths, seen under their own names.
            environment: variables besides PATH, HOME, TMPDIR and LANG.
            overlay: a host folder, seen under its own name, in which it may write although nothing is changed (without
                bubblewrap it is changed).
            forks: whether it may make processes (threads always; processes too where there is no filter of system
                calls). If not, it is itself the first process inside, so signals that it sends to itself and does not
                handle are lost: `abort` ends it by another.

        Raises:
            SandboxError: the sandbox did not work; the command may not have run.
        """
        asked = Asked(
            command, limits, folder, writable, stdin, read_only_binds, environment or {}, overlay, forks=forks
        )
        return self._run(asked)

    @contextmanager
    def runs(
        self,
        command: Sequence[str],
        *,
        limits: Limits,
        folder: Path,
        read_only_binds: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Generator[Callable[[bytes], Finished]]:
        """What runs a command on one standard input after the other, each time as `run` would.

        The runs share a sandbox, which costs as much as a short program. One that leaves a process, a file in memory or
        a connection behind, or that a limit ends, is the last in its sandbox: the next begins in a new one. Without
        bubblewrap, or without the filter of system calls, each run has its own.
        """
        asked = Asked(command, limits, folder, read_only_binds=read_only_binds, environment=environment or {})
        runner: Runner | None = None

        def run(stdin: bytes) -> Finished:
            nonlocal runner
            if self.unsafe or not (Sandbox.is_filtered and Sandbox.shares):
                return self._run(replace(asked, stdin=stdin))
            kills = self._bound_memory(limits)
            try:
                if runner is None or not runner.is_open:
                    opened.close()
                    runner = opened.enter_context(self._runner(asked))
            except SandboxError:
                Sandbox.shares = False
                return run(stdin)
            return _with_signal(self._seen_by_group(runner.run(stdin, limits), kills))

        with ExitStack() as opened:
            yield run

    @contextmanager
    def _runner(self, asked: Asked) -> Generator[Runner]:
        with BindMounts(self.uid is not None) as mounts, self.new_folder() as streams, _in_memory(b"") as status:
            shown = ("--ro-bind", mounts.reach(streams), STREAMS, *COVER)
            with self._start_bubblewrap(asked, RUNNER, mounts, status, shown) as process:
                try:
                    yield Runner(process, streams, self._worker.own)
                finally:
                    end_bubblewrap(process)

    def _try_out(self) -> None:
        """Raise ConfigError where bubblewrap is forbidden, as in many containers; done once a process.

        The filter of system calls is left out only where it works without it and, once more, not with it.
        """
        error = self._failure()
        if error and Sandbox.is_filtered:
            Sandbox.is_filtered = False
            error = self._failure()
            Sandbox.is_filtered = True
            if error is None:
                Sandbox.is_filtered = self._failure() is None
        if error:
            self.close()
            raise ConfigError(
                f"{' '.join(str(error).split())}: bubblewrap does not work here; allow this user to make user "
                "namespaces (containers: --privileged) or run programs unprotected with --unsafe-no-sandbox"
            ) from error
        Sandbox._has_worked = True

    def _failure(self) -> SandboxError | None:
        try:
            self.run(["true"], limits=_TRIAL)
        except SandboxError as error:
            return error
        return None

    def _bound_memory(self, limits: Limits) -> int:
        """Let the worker's control group bound what comes next; returns how many processes it has ended till now."""
        if self.group is None:
            return 0
        self.group.limit(limits.memory_bytes)
        return self.group.kills()

    def _joining(self) -> Sequence[str]:
        return self.group.words() if self.group else []

    def _seen_by_group(self, finished: Finished, kills: int) -> Finished:
        """The end of a command, which is one for want of memory where the control group ended a part of it."""
        if self.group is None or finished.stopped_by or self.group.kills() == kills:
            return finished
        return replace(finished, exit_code=None, signal=None, stopped_by="memory")

    def _run(self, asked: Asked) -> Finished:
        if asked.written:
            self._worker.own(asked.written)
        if self.unsafe or not Sandbox.is_filtered:
            join_new_session_keyring()
        kills = self._bound_memory(asked.limits)
        if self.unsafe:
            return self._seen_by_group(self._run_unprotected(asked), kills)
        with BindMounts(self.uid is not None) as mounts, _in_memory(b"") as status:
            waits = ("sh", "-c", _FIRST_PROCESS, "sh") if asked.forks else ()
            process = self._start_bubblewrap(asked, waits, mounts, status)
            finished = _supervised(asked, process, partial(end_bubblewrap, process), FOLDERS_IN_MEMORY)
            status.seek(0)
            # Told where the command was started and ended, and not where the sandbox failed.
            has_run = any("exit-code" in json.loads(line) for line in status.read().splitlines())
        finished = self._seen_by_group(finished, kills)
        if finished.stopped_by is None and not has_run:
            raise SandboxError(f"sandbox: {finished.stderr.decode(errors='replace').strip()}")
        return _with_signal(finished)

    def _start_bubblewrap(
        self, asked: Asked, before: Sequence[str], mounts: BindMounts, status: FileIO, shown: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start bubblewrap with the words that go `before` the command, and show more than was asked for."""
        files = [status]
        if Sandbox.is_filtered:
            files.append(mounts.enter_context(_in_memory(system_call_filter(forks=asked.forks))))
        descriptors = [file.fileno() for file in files]
        sandbox = bubblewrap_arguments(asked, mounts, shown, status=descriptors[0], seccomp=descriptors[1:])
        first = ["prlimit", *asked.limits.prlimit_arguments(), "--", *before, *_within(asked.environment)]
        words = [*self._joining(), *mounts.arguments(), *self._worker.become(), *sandbox, *first, *asked.command]
        environment, folder = _environment(SCRATCH), Path("/")
        return start(words, environment=environment, folder=folder, descriptors=tuple(descriptors), owner=self.uid)

    def _run_unprotected(self, asked: Asked) -> Finished:
        limits = asked.limits.prlimit_arguments(own_user=self.uid is not None)
        first = ["prlimit", *limits, "--", *_within(asked.environment)]
        with self.new_folder() as scratch:
            process = start(
                [*self._joining(), *self._worker.become(), *first, *asked.command],
                environment=_environment(str(scratch)),
                folder=scratch,
                owner=self.uid,
            )
            return _supervised(asked, process, partial(end_unprotected, process, self._worker))


def _supervised(
    asked: Asked, process: subprocess.Popen[bytes], finish: Callable[[], int], folders: Sequence[str] = ()
) -> Finished:
    return supervise(
        process.pid,
        partial(streams_of, process),
        stdin=asked.stdin,
        limits=asked.limits,
        written=asked.written,
        finish=finish,
        folders=folders,
    )


def _in_memory(content: bytes) -> FileIO:
    """A nameless file, for bubblewrap to read or write by its descriptor."""
    file = FileIO(os.memfd_create("multipl-moe"), "r+")
    file.write(content)
    file.seek(0)
    return file


def _environment(scratch: str) -> dict[str, str]:
    return {"PATH": _PATH, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8"}


def _within(environment: Mapping[str, str]) -> list[str]:
    """What sets a command's variables, last of all: PATH or LD_PRELOAD must not choose what makes the sandbox."""
    return ["env", "--", *(f"{name}={value}" for name, value in environment.items())] if environment else []


def _with_signal(finished: Finished) -> Finished:
    """The first process reports the death of the command by signal N as exit code 128 + N."""
    code = finished.exit_code
    if code is None or code - _SIGNAL_BASE not in set(signal.Signals):
        return finished
    return replace(finished, exit_code=None, signal=code - _SIGNAL_BASE)
