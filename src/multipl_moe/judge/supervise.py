"""Running one process tree to its end, or to the limit that it exceeds first."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Literal

from multipl_moe.judge.pipes import Pipes
from multipl_moe.judge.process_tree import descendants, memory_bytes, processor_s
from multipl_moe.languages.limits import Limits

_FIRST_LOOK_S = 0.01
_LOOK_S = 0.04

StoppedBy = Literal["wall", "memory", "output"]


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
        cpu_s, starved_s: when the wall clock ended it, the seconds for which its processes had a processor, and those
            for which they wanted one and did not get it; else 0.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    wall_s: float
    peak_bytes: int
    stopped_by: StoppedBy | None
    cpu_s: float = 0.0
    starved_s: float = 0.0


def supervise(
    process: Popen[bytes],
    *,
    stdin: bytes,
    limits: Limits,
    written: Path | None,
    kill: Callable[[], None],
) -> Finished:
    """Serve a process until it ends, and end it when it exceeds a limit.

    Args:
        process: started with three pipes.
        stdin: its whole input, closed after the last byte.
        limits: wall time, memory and output; the others are the sandbox's work.
        written: a host folder in which it may write; more than `scratch_bytes` there counts as output.
        kill: ends the process and all below it, returns when none is left; also called when all went well.
    """
    started = time.monotonic()
    pipes = Pipes(process, stdin, limits.output_bytes)
    look = started + _FIRST_LOOK_S
    peak_bytes, written_bytes, stopped_by = 0, 0, None
    cpu_s = starved_s = 0.0
    try:
        while not pipes.ended and stopped_by is None:
            now = time.monotonic()
            if now >= look:
                peak_bytes = max(peak_bytes, memory_bytes(descendants(process.pid), limits.memory_bytes))
                written_bytes = _written_bytes(written) if written else 0
                look = time.monotonic() + _LOOK_S
            if peak_bytes > limits.memory_bytes:
                stopped_by = "memory"
            elif pipes.overflowed or written_bytes > limits.scratch_bytes:
                stopped_by = "output"
            elif now >= started + limits.wall_s:
                stopped_by = "wall"
                cpu_s, starved_s = processor_s(descendants(process.pid))
            else:
                pipes.wait(min(look, started + limits.wall_s) - now)
    finally:
        kill()
        wall_s = time.monotonic() - started
        pipes.close()
    if stopped_by is None and pipes.overflowed:
        stopped_by = "output"
    code = process.returncode if stopped_by is None else None
    return Finished(
        exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        stdout=pipes.stdout,
        stderr=pipes.stderr,
        wall_s=wall_s,
        peak_bytes=peak_bytes,
        stopped_by=stopped_by,
        cpu_s=cpu_s,
        starved_s=starved_s,
    )


def _written_bytes(folder: Path) -> int:
    """Bytes of the files in a folder, links not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total
