"""Memory that one command holds, read from /proc: that of its processes, and that of what belongs to none of them."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_KIB = 2**10
_FILE_BYTES = 2**10
_BUFFERS = Path("/proc/sys/net/core")
_OVERHEAD = 2  # of queued bytes: the kernel's records of them
_OWN = ("RssAnon", "RssFile", "RssShmem", "VmSwap", "VmPTE")
_SHARED_ONCE = ("Pss", "SwapPss")
_VALUE = re.compile(rb"^(\w+):[ \t]+(\d+) kB$", re.MULTILINE)


def memory_bytes(process_ids: Iterable[int], enough: int) -> int:
    """Memory held by processes together, with swapped pages and page tables.

    Resident pages are cheap to count but those that processes share are counted for each. Only when that sum exceeds
    `enough` are shared pages divided among their holders (proportional set size). The kernel walks all page tables for
    that, so it is not asked where they alone are too much: it would walk while they grow.
    """
    process_ids = list(process_ids)
    own = [_kilobytes(process_id, "status") for process_id in process_ids]
    resident = sum(values.get(name, 0) for values in own for name in _OWN)
    tables = sum(values.get("VmPTE", 0) for values in own)
    if resident * _KIB <= enough or tables * _KIB > enough:
        return resident * _KIB
    return sum(map(_counted_once, process_ids, own)) * _KIB


def _counted_once(process_id: int, own: Mapping[str, int]) -> int:
    """Kilobytes of a process, with its part of what it shares; nothing where it has ended since."""
    try:
        shares = _kilobytes(process_id, "smaps_rollup")
    except PermissionError:
        return sum(own.get(name, 0) for name in _OWN)
    return sum(shares.get(name, 0) for name in _SHARED_ONCE) + (own.get("VmPTE", 0) if shares else 0)


def sandbox_bytes(process_id: int, folders: Sequence[str], folder_bytes: int) -> int:
    """Memory that belongs to a sandbox and to no process in it: files in memory, and what sockets may hold.

    Args:
        process_id: of a process inside. What is gone, or is not inside yet, holds nothing.
        folders: those in memory, as they are seen inside.
        folder_bytes: size of each, by which it is known: before bubblewrap is ready, others stand there.
    """
    place = Path(f"/proc/{process_id}")
    with suppress(OSError):
        if not (place / "ns/net").samefile("/proc/self/ns/net"):
            files = sum(_files_bytes(f"{place}/root{folder}", folder_bytes) for folder in folders)
            return files + _sockets_bytes(place / "net")
    return 0


def _kilobytes(process_id: int, file: str) -> dict[str, int]:
    """Values in kB of a file of a process, none where it is gone; raises PermissionError where it may not be read.

    The name of a process stands there too. It need be no text, and may look like a value.
    """
    try:
        text = Path(f"/proc/{process_id}/{file}").read_bytes()
    except PermissionError:
        raise
    except OSError:
        return {}
    return {name.decode(): int(number) for name, number in _VALUE.findall(text)}


def _files_bytes(folder: str, size: int) -> int:
    """What the files in a folder in memory take, with what the kernel needs for each."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    if not 0 <= found.f_blocks * found.f_frsize - size < found.f_frsize:
        return 0
    return (found.f_blocks - found.f_bfree) * found.f_frsize + (found.f_files - found.f_ffree) * _FILE_BYTES


def _sockets_bytes(net: Path) -> int:
    """What the sockets of a network namespace may hold at most, and what those of TCP hold, whose buffers grow.

    The kernel does not tell how full other sockets are. One of them is its own.
    """
    with suppress(OSError, ValueError, IndexError):
        num_sockets = int((net / "sockstat").read_text().split()[2]) - 1
        if num_sockets > 0:
            tables = [net / name for name in ("tcp", "tcp6") if _num_tcp(net, name)]
            buffer = max(int((_BUFFERS / name).read_text()) for name in ("rmem_default", "wmem_default"))
            return num_sockets * buffer + _OVERHEAD * sum(map(_queued_bytes, tables))
    return 0


def _num_tcp(net: Path, name: str) -> int:
    """Sockets in a table, to read which takes milliseconds even if there is none."""
    counts = (net / name.replace("tcp", "sockstat")).read_text().split()
    return int(counts[counts.index(f"{name.upper()}:") + 2])


def _queued_bytes(table: Path) -> int:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return 0
    queues = [line.split()[4].split(":") for line in lines]
    return sum(int(sent, 16) + int(received, 16) for sent, received in queues)
