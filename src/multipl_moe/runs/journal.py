"""JSON lines that survive a kill: a line counts once its line break is written, and what a kill left of one is cut."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from multipl_moe.errors import OutputError
from multipl_moe.runs.folder import write_text
from multipl_moe.system.disk_errors import disk_errors_explained


def read_journal(file: Path) -> list[dict[str, Any]]:
    """All whole lines; none where there is no file.

    Raises:
        OutputError: a line is no JSON object.
    """
    if not file.is_file():
        return []
    records = []
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise OutputError(f"output: {file}, line {number} is no JSON object; remove the line")
        records.append(record)
    return records


def write_journal(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of these lines, whole or not at all."""
    write_text(file, _lines(records))


def append_to_journal(file: Path, records: Iterable[Mapping[str, Any]], *, sync: bool = True) -> None:
    """Append a line for each record; with `sync` on disk when this returns, even if the power fails."""
    lines = memoryview(_lines(records).encode())
    with disk_errors_explained(file), file.open("ab", buffering=0) as stream:
        mend_journal(file)
        while lines:
            lines = lines[stream.write(lines) :]
        if sync:
            os.fsync(stream.fileno())


def mend_journal(file: Path) -> None:
    """Cut what is not whole at the end: what a kill, Ctrl-C or a full disk left of a line."""
    with file.open("r+b") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - 1, 0))
        if stream.read(1) not in (b"", b"\n"):
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
