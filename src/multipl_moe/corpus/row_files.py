"""Rows of JSON Lines and Parquet files, one at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet

from multipl_moe.corpus.compression import COMPRESSIONS, open_decompressed
from multipl_moe.errors import CorpusError

_MAX_LINE_BYTES = 2**26
_BATCH_ROWS = 256
ROW_ENDINGS = {
    "jsonl": tuple(f"{name}{compression}" for name in (".jsonl", ".json") for compression in ("", *COMPRESSIONS)),
    "parquet": (".parquet",),
}


def row_files(path: Path, kind: str) -> list[Path]:
    """The file, or all files of the kind below the folder.

    Raises:
        CorpusError: there is none.
    """
    endings = ROW_ENDINGS[kind]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(endings))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise CorpusError(f"corpus.sources: {path}: no file that ends in {' or '.join(endings)}")
    return files


def read_jsonl(file: Path) -> Iterator[Any]:
    """Rows of a file; None where a line is no JSON object, or longer than any that is read."""
    with open_decompressed(file, file.suffix) as stream:
        for line in _lines(stream):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield row if isinstance(row, dict) else None


def read_parquet(file: Path, columns: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Rows of a file with those of the columns that it has."""
    with pyarrow.parquet.ParquetFile(file) as table:
        kept = [name for name in table.schema_arrow.names if name in columns]
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=kept or None):
            yield from batch.to_pylist()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a stream, of which no more than the longest allowed is ever held; a longer one comes as `?`."""
    while line := stream.readline(_MAX_LINE_BYTES):
        is_whole = len(line) < _MAX_LINE_BYTES or line.endswith(b"\n")
        while not is_whole:
            rest = stream.readline(_MAX_LINE_BYTES)
            is_whole = len(rest) < _MAX_LINE_BYTES or rest.endswith(b"\n")
            line = b"?"
        yield line
