"""Rows of JSON Lines and Parquet files and of data sets of the hub, one at a time."""

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow
import pyarrow.parquet

from multipl_judge.extras import install_hint
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection

COMPRESSIONS: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": partial(pyarrow.input_stream, compression="zstd"),
}
_MAX_LINE_BYTES = 2**26
_BATCH_ROWS = 256
_ROW_BEGINS = re.compile(rb'\{\s*"')
ROW_ENDINGS = {
    "jsonl": tuple(f"{name}{compression}" for name in (".jsonl", ".json") for compression in ("", *COMPRESSIONS)),
    "parquet": (".parquet",),
}
ROW_ENDINGS["answers"] = ROW_ENDINGS["jsonl"]


def open_decompressed(path: Path, ending: str) -> IO[bytes]:
    """The content of a file, decompressed as it is read; an ending that is none of `COMPRESSIONS` stands for none."""
    opener = COMPRESSIONS.get(ending)
    return path.open("rb") if opener is None else opener(str(path))


def rows_of(file: Path) -> Iterator[Any]:
    """Rows of a JSON Lines file that a build has written."""
    with open_decompressed(file, file.suffix) as lines:
        yield from map(orjson.loads, lines)


def row_files(path: Path, kind: str) -> list[Path]:
    """The file, or all files of the kind below the folder; CorpusError where there is none."""
    endings = ROW_ENDINGS[kind]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(endings))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise CorpusError(f"corpus.sources: {path}: no file that ends in {' or '.join(endings)}")
    return files


def read_jsonl(file: Path) -> Iterator[Any]:
    """Rows of a file; None where a line is not a JSON object, or longer than any that is read.

    Raises:
        OSError: the first line does not even begin a row: the file is other JSON, perhaps one value over many lines.
    """
    with open_decompressed(file, file.suffix) as stream:
        lines = filter(None, map(bytes.strip, _lines(stream)))
        for number, line in enumerate(lines):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if number == 0 and not isinstance(row, dict) and not _ROW_BEGINS.match(line):
                raise OSError(f"{file}: no JSON Lines")
            yield row if isinstance(row, dict) else None


def read_parquet(file: Path, columns: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Rows of a file with those of the columns that it has."""
    with pyarrow.parquet.ParquetFile(file) as table:
        kept = [name for name in table.schema_arrow.names if name in columns]
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=kept or None):
            yield from batch.to_pylist()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a stream; no more than the longest allowed is ever held: a longer one is cut and ends in `?`."""
    while line := stream.readline(_MAX_LINE_BYTES):
        is_whole = len(line) < _MAX_LINE_BYTES or line.endswith(b"\n")
        while not is_whole:
            rest = stream.readline(_MAX_LINE_BYTES)
            is_whole = len(rest) < _MAX_LINE_BYTES or rest.endswith(b"\n")
            line = line[:16] + b"?"
        yield line


def read_hub(source: SourceSection) -> Iterator[dict[str, Any]]:
    """Rows of a data set's split, in its order; nothing is downloaded beforehand.

    Unlike a broken file, a connection that fails ends the build, with a CorpusError: a corpus that lacks what a server
    did not send today would be another one tomorrow.
    """
    try:
        import datasets
    except ImportError:
        raise CorpusError(f"corpus.sources: kind hub needs the library datasets; {install_hint('hub')}") from None
    try:
        yield from _open(datasets, source)
    except Exception as error:  # the library passes on whatever its many back ends raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise CorpusError(f"corpus.sources: {source.path}: the data set cannot be read ({reason})") from None


def _open(datasets: Any, source: SourceSection) -> Any:
    """The stream of rows; a subset is a configuration of the data set or else a folder in it."""
    assert source.path is not None
    options: dict[str, Any] = {"split": source.split, "revision": source.revision, "streaming": True}
    load, subset = partial(datasets.load_dataset, str(source.path), **options), source.subset
    if subset is not None and not (source.path / subset).is_dir():
        with suppress(ValueError):  # no such configuration
            return load(subset)
    return load(data_dir=subset)
