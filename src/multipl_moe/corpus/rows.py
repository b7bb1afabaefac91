"""Rows of JSON Lines and Parquet files that a corpus may draw from."""

import gzip
import heapq
import io
import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from multipl_moe.corpus.candidates import Candidate, language_of, source_name
from multipl_moe.errors import CorpusError
from multipl_moe.languages import LANGUAGES
from multipl_moe.recipe import SourceSection

_ENDINGS = {"jsonl": (".jsonl", ".jsonl.gz", ".json", ".json.gz"), "parquet": (".parquet",)}
_COLUMNS = ("path", "language", "licence", "license", "metadata")


def find_rows(source: SourceSection) -> Iterator[Candidate]:
    """All rows of a source of kind jsonl or parquet; a folder stands for all such files below it.

    The language of a row is the source's, else that of the extension in its column `path`, else its column `language`;
    its licence is in its column `licence` or `license`. A column `metadata` may hold these, too, so that the documents
    of one corpus can be a source of another.

    Raises:
        CorpusError: no such file, no column of text, no way to tell the language, or the file is broken.
    """
    assert source.path is not None
    read = _read_parquet if source.kind == "parquet" else _read_jsonl
    for file in _files(source.path, _ENDINGS[source.kind]):
        try:
            for number, row in enumerate(read(file, source)):
                if (candidate := _candidate(source, file, number, row)) is not None:
                    yield candidate
        except (OSError, EOFError, zlib.error, pyarrow.ArrowException) as error:
            raise CorpusError(f"corpus.sources: {file}: cannot be read ({error})") from None


class EarliestRows:
    """Of the rows put in, those that can still be drawn within a budget: memory is the budget's, not the file's.

    A row is let go once the rows before it in the order of the draw fill the budget. Rows that will be refused for
    their size do not count; those that will be refused for their content do, so the draw may end that much short.

    Args:
        rank: place of a row in the draw; lower comes first.
        budget_bytes: bytes of all rows drawn; infinite where there is no budget, and then all rows are held.
        file_bytes: least and most bytes of a row that will be accepted.
    """

    def __init__(self, rank: Callable[[Candidate], int], budget_bytes: float, file_bytes: tuple[int, int]):
        self.num_dropped = 0
        self._rank, self._budget_bytes, self._file_bytes = rank, budget_bytes, file_bytes
        self._heap: list[tuple[int, int, int, Candidate]] = []
        self._bytes = self._num_put = 0

    def put(self, row: Candidate) -> None:
        """Add a row and let go of those that it pushes out."""
        counted = self._size(row)
        self._num_put += 1
        heapq.heappush(self._heap, (-self._rank(row), -self._num_put, counted, row))
        self._bytes += counted
        # One row beyond the budget stays, so that the draw sees that there was more.
        while self._bytes - self._heap[0][2] > self._budget_bytes:
            self._bytes -= heapq.heappop(self._heap)[2]
            self.num_dropped += 1

    def rows(self) -> list[Candidate]:
        """The rows that are left, in no particular order."""
        return [row for *_, row in self._heap]

    def _size(self, row: Candidate) -> int:
        try:
            with row.open() as stream:
                size = stream.seek(0, io.SEEK_END)
        except OSError:
            return 0
        return size if self._file_bytes[0] <= size <= self._file_bytes[1] else 0


def _files(path: Path, endings: tuple[str, ...]) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(endings))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise CorpusError(f"corpus.sources: {path}: no file that ends in {' or '.join(endings)}")
    return files


def _read_jsonl(file: Path, source: SourceSection) -> Iterator[Any]:
    """Rows of a file; None where a line is no JSON object."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield row if isinstance(row, dict) else None


def _read_parquet(file: Path, source: SourceSection) -> Iterator[dict[str, Any]]:
    with pyarrow.parquet.ParquetFile(file) as table:
        columns = [name for name in table.schema_arrow.names if name in (source.text_key, *_COLUMNS)]
        if source.text_key not in columns:
            raise _no_text(file, source, table.schema_arrow.names)
        for batch in table.iter_batches(batch_size=256, columns=columns):
            yield from batch.to_pylist()


def _candidate(source: SourceSection, file: Path, number: int, row: Any) -> Candidate | None:
    """None for a row that belongs to no language of the table."""
    broken = row is None
    row = {} if broken else row
    if isinstance(nested := row.get("metadata"), dict):
        row = nested | {key: value for key, value in row.items() if value is not None}
    if number == 0 and not broken and source.text_key not in row:
        raise _no_text(file, source, list(row))
    path, column = str(row.get("path") or ""), str(row.get("language") or "").lower()
    if number == 0 and not (broken or source.language or path or column):
        raise CorpusError(f"corpus.sources: {file}: rows have neither path nor language; set the source's language")
    language = source.language or language_of(path) or column
    if language not in LANGUAGES:
        return None
    licence = row.get("licence") or row.get("license") or source.licence or "unknown"
    text = row.get(source.text_key)
    # Lone surrogates, which JSON can spell, come out as bytes that are no UTF-8 and are counted as such.
    opener = partial(io.BytesIO, text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else _unreadable
    name = f"{source_name(file)}#{number}" + (f"/{path}" if path else "")
    return Candidate(language, source.kind, name, str(licence), opener)


def _unreadable() -> io.BytesIO:
    raise OSError("the row holds no text")


def _no_text(file: Path, source: SourceSection, columns: list[str]) -> CorpusError:
    return CorpusError(
        f"corpus.sources: {file}: no column {source.text_key!r} (columns: {', '.join(map(str, columns))}); set text_key"
    )
