"""One sandbox for many runs of a command: a shell inside that starts it anew for each standard input.

The shell is the first process inside. It is told to go, starts the command on the file with the input of this run and
two named pipes, and tells its exit status. So no run sees the input of a later one, or holds its pipes. The command
inherits none of the shell's own streams and finds them nowhere: the shell's entry in /proc is covered, and the filter
of system calls lets nobody trace it.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from subprocess import Popen

from multipl_judge.judge.bubblewrap import FOLDERS_IN_MEMORY
from multipl_judge.judge.processes import (
    SandboxError,
    Streams,
    descendants,
    end_bubblewrap,
    wait_until_readable,
)
from multipl_judge.judge.supervise import Finished, supervise
from multipl_judge.languages.toolchain import Limits

STREAMS = "/streams"
"""Where the folder with the input and the pipes is seen."""
COVER = ("--tmpfs", "/proc/1", "--remount-ro", "/proc/1")
"""Arguments of bubblewrap that hide the shell's streams."""
_START_S = 60.0
_INPUT, _PIPES = "in", ("out", "err")
_SHELL = f"""exec 2>/dev/null
echo
while read -r _; do
  (exec "$@") <{STREAMS}/in >{STREAMS}/out 2>{STREAMS}/err
  echo $?
done"""
RUNNER = ("sh", "-c", _SHELL, "sh")
"""The words that, before a command, are the shell."""


class Runner:
    """Runs one command again and again, until a run leaves something behind.

    Args:
        process: bubblewrap with `COVER`, `RUNNER` and the command; its end is the caller's work.
        folder: of the host, seen inside as `STREAMS`, where nothing can be written.
        own: gives a folder to the sandbox's user.

    Attributes:
        is_open: whether the next run may take place here.

    Raises:
        SandboxError: the sandbox did not start.
    """

    def __init__(self, process: Popen[bytes], folder: Path, own: Callable[[Path], None]):
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._folder, self._own = process, folder, own
        self._orders, self._answers = process.stdin, process.stdout
        self.is_open = True
        os.set_blocking(self._answers.fileno(), False)
        self._await_shell()
        self._untouched = self._traces()

    def run(self, stdin: bytes, limits: Limits) -> Finished:
        """Run the command once, as `Sandbox.run` does."""
        streams = self._new_streams(stdin)
        with suppress(BrokenPipeError):  # the end of the shell is seen by its silence
            self._orders.write(b"\n")
        return supervise(
            self._process.pid,
            lambda: streams,
            stdin=b"",
            limits=limits,
            written=None,
            finish=self._finish,
            folders=FOLDERS_IN_MEMORY,
        )

    def _new_streams(self, stdin: bytes) -> Streams:
        for name in (_INPUT, *_PIPES):
            (self._folder / name).unlink(missing_ok=True)
        (self._folder / _INPUT).write_bytes(stdin)
        files = [FileIO(self._folder / _INPUT)]
        for name in _PIPES:
            os.mkfifo(self._folder / name)
            files.append(FileIO(os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK)))
        self._own(self._folder)
        return Streams(*files, end=os.dup(self._answers.fileno()))

    def _await_shell(self) -> None:
        wait_until_readable(self._answers.fileno(), _START_S)
        if self._answers.read() != b"\n":
            end_bubblewrap(self._process)
            said = self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""
            raise SandboxError(f"sandbox: {said or 'its shell does not answer'}")

    def _finish(self) -> int | None:
        """The exit status of the command; the sandbox ends where that did not, or left something."""
        told = self._answers.read()
        if not told or self._traces() != self._untouched:
            self.is_open = False
            end_bubblewrap(self._process)
        return int(told) if told else self._process.returncode

    def _traces(self) -> Sequence[object]:
        """What a run may have left, never equal where that cannot be seen: processes, files in memory or changes of
        their folders, but for the time when one was read, and connections that the kernel keeps for a while."""
        inside = descendants(self._process.pid)
        try:
            shell = Path(f"/proc/{inside[1]}")
            found = [Path(f"{shell}/root{folder}").stat() for folder in FOLDERS_IN_MEMORY]
            is_idle = " tw 0 " in (shell / "net/sockstat").read_text()
        except (OSError, IndexError):
            return [object()]
        return [len(inside), is_idle, *((one.st_mode, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in found)]
