"""JSON lines that survive a kill: a line counts once its line break is written, and what a kill left of one is cut."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from multipl_moe.errors import OutputError
from multipl_moe.runs.folder import json_text, write_lines
from multipl_moe.system.disk_errors import disk_errors_explained

_BLOCK_BYTES = 64 * 2**10


def read_journal(file: Path) -> list[dict[str, Any]]:
    """All whole lines; none where there is no file.

    Raises:
        OutputError: a line is not a JSON object.
    """
    return [record for _, record in journal_lines(file)]


def journal_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines one by one, as `read_journal`, each with the place of its first byte."""
    start = 0
    for number, line in enumerate(file.open("rb") if file.is_file() else (), start=1):
        if line.endswith(b"\n"):
            yield start, _record(line, file, f"line {number}")
        start += len(line)


def read_line(file: Path, start: int) -> dict[str, Any]:
    """The line whose first byte is there."""
    with file.open("rb") as stream:
        stream.seek(start)
        return _record(stream.readline(), file, f"at byte {start}")


def _record(line: bytes, file: Path, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise OutputError(f"output: {file}, {where} is not a JSON object; remove the line")
    return record


def write_journal(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of these lines, whole or not at all."""
    write_lines(file, (_line(record, file) for record in records))


def append_to_journal(file: Path, records: Iterable[Mapping[str, Any]], *, sync: bool = True) -> int:
    """Append a line for each record; with `sync` on disk when this returns, even if the power fails.

    Returns:
        The place of the first byte.
    """
    lines = memoryview("".join(_line(record, file) for record in records).encode())
    with disk_errors_explained(file), file.open("ab", buffering=0) as stream:
        mend_journal(file)
        start = stream.seek(0, os.SEEK_END)
        while lines:
            lines = lines[stream.write(lines) :]
        if sync:
            os.fsync(stream.fileno())
    return start


def mend_journal(file: Path) -> None:
    """Cut what is not whole at the end: what a kill, Ctrl-C or a full disk left of a line."""
    with file.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(end - 1, 0))
        if stream.read(1) in (b"", b"\n"):
            return
        last = -1
        while end and last < 0:
            end = max(end - _BLOCK_BYTES, 0)
            stream.seek(end)
            last = stream.read(_BLOCK_BYTES).rfind(b"\n")
        stream.truncate(end + last + 1)


def _line(record: Mapping[str, Any], file: Path) -> str:
    line = json_text(record, file, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which is no text
        line = json.dumps(record)
    return line + "\n"
