"""Running one process tree to its end, or to the limit that it exceeds first."""

import os
import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from errno import ENAMETOOLONG
from pathlib import Path
from typing import IO, Literal

from multipl_judge.judge.memory import memory_bytes, sandbox_bytes
from multipl_judge.judge.processes import Streams, Usage, descendants, usage, waits_for_a_disk
from multipl_judge.languages.toolchain import Limits

_FIRST_LOOK_S = 0.01
_LOOK_S = 0.04
_CHUNK_BYTES = 64 * 2**10
_FILE_BYTES = 4 * 2**10
_LOST_SHARE = 0.1  # the part of its time that a program may lose to others before they may be to blame for the end
_BACKSTOP = 10  # times its limit of processor time, by the wall clock, for a program that others keep waiting

StoppedBy = Literal["time", "memory", "output"]


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    Attributes:
        exit_code: its exit code, None if a signal or the judge ended it.
        signal: number of the signal that ended it.
        stdout, stderr: what it printed, together not more than the limit of output.
        wall_s: seconds from start to end.
        peak_bytes: largest memory of all its processes that was seen, looked at every 40 ms; 0 if it was too short.
        stopped_by: the limit for which the judge ended it.
        starved: whether others may have kept it from using its time.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    wall_s: float
    peak_bytes: int
    stopped_by: StoppedBy | None
    starved: bool = False


def out_of_time(used: Usage, wall_s: float, limit_s: float) -> Literal["", "used", "starved"]:
    """Whether a program has used its time up, or others have kept it from that for so long that it ends.

    What it neither computed nor waited for a processor it slept, which uses time up as well, if nobody else can have
    been the cause. So the same program has the same time on an idle machine and on a busy one.

    Args:
        used: by its processes.
        wall_s: seconds since its start.
        limit_s: its processor time.
    """
    is_sure = not used.held_up and used.ended_s < _LOST_SHARE * limit_s
    if used.cpu_s >= limit_s or (is_sure and wall_s - used.starved_s >= limit_s):
        return "used"
    if wall_s < _BACKSTOP * limit_s:
        return ""
    return "starved" if used.held_up or used.starved_s > _LOST_SHARE * wall_s else "used"


def supervise(
    process_id: int,
    streams: Callable[[], Streams],
    *,
    stdin: bytes,
    limits: Limits,
    written: Path | None,
    finish: Callable[[], int | None],
    folders: Sequence[str] = (),
) -> Finished:
    """Serve a process until it ends, and end it when it exceeds a limit.

    Args:
        process_id: of the process; all below it counts as well.
        streams: gives what it is served by, which is closed in the end.
        stdin: its whole input, closed after the last byte.
        limits: time, memory and output; the others are the sandbox's work.
        written: a host folder in which it may write; more than `scratch_bytes` there counts as output.
        finish: ends all that is left of it, if anything is, and gives its exit code, or -N where signal N ended it.
        folders: those in memory of the sandbox that the process makes around its child; none if it makes none.
    """
    started, seen = time.monotonic(), dict[Path, int]()
    try:
        before, pipes = usage(descendants(process_id), seen), _Pipes(streams(), stdin, limits.output_bytes)
    except BaseException:
        finish()
        raise
    look = started + _FIRST_LOOK_S
    peak_bytes, written_bytes, stopped_by = 0, 0, None
    used, over, code = Usage(0, 0, 0, held_up=False), "", None
    try:
        while not pipes.ended and stopped_by is None:
            now = time.monotonic()
            if now >= look:
                process_ids, idle = descendants(process_id), not pipes.wait(0)
                peak_bytes = max(peak_bytes, _held_bytes(process_ids, limits, folders))
                written_bytes = _written_bytes(written, limits.scratch_bytes) if written else 0
                used = usage(process_ids, seen).since(before)
                if now - started >= limits.cpu_s:  # who waits for the judge is held up
                    used = replace(used, held_up=used.held_up or not idle or waits_for_a_disk(process_ids))
                over = "" if pipes.ended else out_of_time(used, now - started, limits.cpu_s)
                look = time.monotonic() + _LOOK_S
            if peak_bytes > limits.memory_bytes:
                stopped_by = "memory"
            elif pipes.overflowed or written_bytes > limits.scratch_bytes:
                stopped_by = "output"
            elif over:
                stopped_by = "time"
            else:
                pipes.wait(look - now)
    finally:
        code = finish()
        wall_s = time.monotonic() - started
        pipes.close()
    if stopped_by is None and pipes.overflowed:
        stopped_by = "output"
    code = code if stopped_by is None else None
    exit_code = code if code is not None and code >= 0 else None
    signal = -code if code is not None and code < 0 else None
    return Finished(exit_code, signal, *pipes.printed, wall_s, peak_bytes, stopped_by, over == "starved")


class _Pipes:
    """Feeds a process its input and collects what it prints, up to a cap, until it has ended.

    The end of the process is not seen by the end of its output: a program may close its output and go on, or leave it
    to a daemon.
    """

    def __init__(self, streams: Streams, stdin: bytes, max_bytes: int):
        self._stdin, self._end = streams.stdin, streams.end
        self._unsent = memoryview(stdin)
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._collected = {streams.stdout: bytearray(), streams.stderr: bytearray()}
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, *self._collected):
            os.set_blocking(pipe.fileno(), False)
        for pipe in self._collected:
            self._selector.register(pipe, selectors.EVENT_READ, pipe)
        if stdin:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        else:
            self._stdin.close()
        self._selector.register(self._end, selectors.EVENT_READ)
        self.ended = False

    @property
    def overflowed(self) -> bool:
        """Whether the process printed more than the cap."""
        return self._num_bytes > self._max_bytes

    @property
    def printed(self) -> tuple[bytes, bytes]:
        """What was printed on standard output and on standard error."""
        output, errors = self._collected.values()
        return bytes(output), bytes(errors)

    def wait(self, timeout_s: float) -> bool:
        """Move what can be moved now, and tell whether there was anything; at most `timeout_s` go by until then."""
        events = self._selector.select(max(timeout_s, 0))
        for key, _ in events:
            if key.fileobj is self._stdin:
                self._send()
            elif key.fd == self._end:
                self.ended = True
            else:
                self._receive(key.data)
        return bool(events)

    def close(self) -> None:
        """Collect what is left in the pipes, of which nobody may hold the other end now, and close them."""
        for pipe in self._collected:
            while not pipe.closed and not self.overflowed and self._receive(pipe):
                pass
        self._selector.close()
        os.close(self._end)
        for pipe in (self._stdin, *self._collected):
            pipe.close()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _receive(self, pipe: IO[bytes]) -> bool:
        """Read once; False when there is nothing to read."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(pipe)
            pipe.close()
            return False
        room = max(self._max_bytes - self._num_bytes, 0)
        self._num_bytes += len(chunk)
        self._collected[pipe] += chunk[:room]
        return True


def _held_bytes(process_ids: Sequence[int], limits: Limits, folders: Sequence[str]) -> int:
    """Memory of processes and of the sandbox in which all but the first are."""
    apart = sandbox_bytes(process_ids[1], folders, limits.scratch_bytes) if folders and process_ids[1:] else 0
    return apart + memory_bytes(process_ids, limits.memory_bytes - apart)


def _written_bytes(folder: Path, enough: int) -> int:
    """Bytes that the files in a folder take, links not followed; when they are more than `enough`, the rest may wait.

    An empty file takes some as well: else there could be any number of them, which are all looked at every time. What
    lies too deep for a path takes more than enough.
    """
    total, folders = 0, [str(folder)]
    while folders and total <= enough:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                try:
                    total += max(entry.stat(follow_symlinks=False).st_size, _FILE_BYTES)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                except OSError as error:
                    if error.errno == ENAMETOOLONG:
                        return enough + 1
    return total
