"""The processes below one process, the memory that they hold together and the time that they use, read from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_KIB = 2**10
_NS_PER_S = 10**9


def children(process_id: int) -> list[int]:
    """Process ids of the children of a process, none if it is gone."""
    found: list[int] = []
    try:
        for thread in _threads(process_id):
            found += [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        return found
    return found


def descendants(process_id: int) -> list[int]:
    """A process and all below it. What runs in a pid namespace cannot leave the tree, daemons included."""
    found = [process_id]
    for parent in found:
        found += children(parent)
    return found


def memory_bytes(process_ids: Iterable[int], enough: int) -> int:
    """Memory held by processes together.

    Resident pages are cheap to count but those that processes share are counted for each. Only when that sum exceeds
    `enough` are shared pages divided among their holders (proportional set size).
    """
    process_ids = list(process_ids)
    resident = sum(map(_resident_bytes, process_ids))
    return resident if resident <= enough else sum(map(_proportional_bytes, process_ids))


def processor_s(process_ids: Iterable[int]) -> tuple[float, float]:
    """Seconds for which processes had a processor, and those for which they wanted one and did not get it.

    Both are sums over all threads that are there now; 0 where the kernel does not tell.
    """
    times = [_scheduled_ns(thread) for process_id in process_ids for thread in _threads(process_id)]
    return sum(had for had, _ in times) / _NS_PER_S, sum(waited for _, waited in times) / _NS_PER_S


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


def _resident_bytes(process_id: int) -> int:
    try:
        return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _proportional_bytes(process_id: int) -> int:
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except PermissionError:
        return _resident_bytes(process_id)
    except OSError:
        return 0
    return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:"))
