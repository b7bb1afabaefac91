"""Rows of files of problems, whichever of the usual formats they have."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError

_SHOWN_CHARACTERS = 60
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")


def read_rows(files: Iterable[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row of .jsonl, .jsonl.gz, .json (a list) or .parquet files, with the words that say where it stands.

    Raises:
        ConfigError: a file is missing or has another format, or a row is not a JSON object.
    """
    for file in files:
        if not file.is_file():
            fault = "is no file" if file.exists() else "does not exist"
            raise ConfigError(f"{file} {fault}; give a file of rows ({', '.join(SUFFIXES)})")
        try:
            yield from _objects(_rows(file))
        except (OSError, EOFError, UnicodeDecodeError) as fault:
            raise ConfigError(f"{file} cannot be read: {fault}") from fault


def read_row_lines(lines: Iterable[str], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """`read_rows` of lines that come from elsewhere, such as standard input."""
    try:
        yield from _objects(_parsed_lines(lines, name))
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{name} cannot be read: {fault}") from fault


def files_of(path: Path) -> list[Path]:
    """The file itself, or the files of problems in a folder.

    Raises:
        ConfigError: nothing is there.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    if not files:
        raise ConfigError(f"{path} holds no file of problems ({', '.join(SUFFIXES)})")
    return files


def text(row: dict[str, Any], name: str, where: str) -> str:
    """A text that the row must have; raises ConfigError where it has not."""
    value = row.get(name)
    if value is None:
        raise ConfigError(f"{where} has no field '{name}'; is it a file of this benchmark?")
    if not isinstance(value, str):
        raise ConfigError(f"{where}: '{name}' is {_shown(value)} and no text; is it a file of this benchmark?")
    return value


def text_if_any(row: dict[str, Any], name: str, where: str) -> str | None:
    """A text that the row may have."""
    return None if row.get(name) is None else text(row, name, where)


def texts(row: dict[str, Any], name: str, where: str, *, may_be_empty: bool = False) -> list[str]:
    """A list of texts that the row must have, with one at least unless it may be empty."""
    values = row.get(name)
    if values is None and may_be_empty:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(
            f"{where}: '{name}' is {_shown(values)} and no list of texts; is it a file of this benchmark?"
        )
    if not values and not may_be_empty:
        raise ConfigError(f"{where}: '{name}' is empty; leave the problem out, or give it what belongs there")
    return values


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."


def _rows(file: Path) -> Iterator[tuple[str, Any]]:
    if file.suffix not in (".json", ".parquet"):
        opened = gzip.open if file.name.endswith(".gz") else open
        with opened(file, "rt", encoding="utf-8") as lines:
            yield from _parsed_lines(lines, str(file))
        return
    rows = _table(file) if file.suffix == ".parquet" else _parsed(file.read_text(encoding="utf-8"), str(file))
    if not isinstance(rows, list):
        raise ConfigError(f"{file} is not a JSON list of problems")
    yield from ((f"{file}, row {number}", row) for number, row in enumerate(rows, start=1))


def _parsed_lines(lines: Iterable[str], name: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{name}, line {number}"
            yield where, _parsed(line, where)


def _objects(rows: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, row in rows:
        if not isinstance(row, dict):
            raise ConfigError(f"{where} is not a JSON object with the fields of a problem")
        yield where, row


def _table(file: Path) -> list[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(file).to_pylist()
    except pyarrow.ArrowException as fault:
        raise ConfigError(f"{file} cannot be read: {fault}") from fault


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:  # ValueError: no JSON, or a number of thousands of digits
        raise ConfigError(f"{where} is not JSON: {fault}") from fault
