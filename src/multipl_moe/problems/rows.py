"""Rows of a file of problems, whichever of the usual formats it has."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multipl_moe.errors import ConfigError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")


def read_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (of the line, from 1) and content of each row of a .jsonl, .jsonl.gz, .json (a list) or .parquet file.

    Raises:
        ConfigError: the file is missing, has another format, or a row is not a JSON object.
    """
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a file of problems ({', '.join(SUFFIXES)})")
    try:
        yield from _rows(file)
    except (OSError, EOFError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{file} cannot be read: {fault}") from fault


def files_of(path: Path) -> list[Path]:
    """The file itself, or the files of problems in a folder.

    Raises:
        ConfigError: nothing is there.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
        if not files:
            raise ConfigError(f"{path} holds no file of problems ({', '.join(SUFFIXES)})")
        return files
    return [path]


def field(row: dict[str, Any], name: str, where: str) -> Any:
    """A field that the row must have.

    Raises:
        ConfigError: it has not.
    """
    if row.get(name) is None:
        raise ConfigError(f"{where} has no field '{name}'; is it a file of this benchmark?")
    return row[name]


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.name.endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        try:
            rows = pyarrow.parquet.read_table(file).to_pylist()
        except pyarrow.ArrowException as fault:
            raise ConfigError(f"{file} cannot be read: {fault}") from fault
        yield from enumerate(rows, start=1)
        return
    if file.name.endswith(".json"):
        rows = _parsed(file.read_text(encoding="utf-8"), str(file))
        if not isinstance(rows, list):
            raise ConfigError(f"{file} is not a JSON list of problems")
        yield from ((number, _object(row, f"{file}, row {number}")) for number, row in enumerate(rows, start=1))
        return
    opened = gzip.open if file.name.endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{file}, line {number}"
                yield number, _object(_parsed(line, where), where)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise ConfigError(f"{where} is not JSON: {fault}") from fault


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ConfigError(f"{where} is not a JSON object with the fields of a problem")
    return row
