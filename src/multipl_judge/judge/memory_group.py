"""A control group of the kernel that bounds the memory of one worker's programs, where the judge may make one.

The watcher of a program looks every 40 ms; the group holds in between too, and for what the kernel keeps for a program
and nobody can look up. Groups belong to whoever manages a machine. So one is made only below the folder that
`MULTIPL_MOE_CGROUP` names, or at the top where this process is itself in no group.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

VARIABLE = "MULTIPL_MOE_CGROUP"
_ROOM = 1.25  # more than the watcher allows: where both see it, the watcher is to tell
_JOIN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
# By version of control groups: its limits, that without swap first, and the file that counts kills.
_VERSIONS = (
    (("memory.max", "memory.swap.max"), "memory.events"),
    (("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), "memory.oom_control"),
)


class MemoryGroup:
    """The group of one worker.

    Args:
        folder: where it is, or is to be.

    Raises:
        OSError: no group that counts memory can be there.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._limit = 0
        folder.mkdir(exist_ok=True)
        for limits, events in _VERSIONS:
            if (folder / limits[0]).exists():
                self._limits, self._events = limits, events
                return
        self.close()
        raise FileNotFoundError(f"{folder} counts no memory")

    @classmethod
    def make(cls, name: str) -> "MemoryGroup | None":
        """A group of this name, which no other worker uses; None where the judge may not make one."""
        for parent in _parents():
            with suppress(OSError):
                return cls(parent / name)
        return None

    def words(self) -> Sequence[str]:
        """The words that, before a command, run it in the group; they need the rights of this process."""
        return ["sh", "-c", _JOIN, str(self._folder)]

    def limit(self, num_bytes: int) -> None:
        """Set the most memory that watched programs may hold; the group grants some more.

        Raises:
            OSError: the kernel refuses.
        """
        if num_bytes == self._limit:
            return
        without_swap, with_swap = (self._folder / name for name in self._limits)
        most = str(int(num_bytes * _ROOM))
        if with_swap.name == "memory.swap.max":
            values = [(without_swap, most), (with_swap, "0")]
        else:
            values = [(with_swap, "-1"), (without_swap, most), (with_swap, most)]
        for file, value in values:
            if file == without_swap or file.exists():
                file.write_text(value)
        self._limit = num_bytes

    def kills(self) -> int:
        """How many processes of the group the kernel has ended for want of memory."""
        words = (self._folder / self._events).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def close(self) -> None:
        """Remove the group, in which nothing runs any more."""
        with suppress(OSError):
            self._folder.rmdir()


def _parents() -> Iterator[Path]:
    """Groups in which the judge may make others."""
    if named := os.environ.get(VARIABLE):
        yield Path(named)
        return
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            mount = Path("/sys/fs/cgroup") / controllers
            if path == "/" and controllers in ("", "memory") and (mount / "cgroup.procs").exists():
                yield mount
