"""Rows of JSON Lines and Parquet files and of data sets of the hub that a corpus may draw from."""

import io
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from multipl_moe.corpus.read.answers import COLUMNS, answer_row
from multipl_moe.corpus.read.candidates import READ_ERRORS, Candidate, source_name, two_parts, unreadable
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.corpus.read.row_files import read_hub, read_jsonl, read_parquet, row_files
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.spdx import joined

# What data sets call their columns: ours, The Stack's, StarCoder data's, The Stack smol's.
_TEXT_COLUMNS = ("text", "content", "code")
_PATH_COLUMNS = ("path", "max_stars_repo_path", "file_path")
_LANGUAGE_COLUMNS = ("language", "lang", "programming_language")
_LICENCE_COLUMNS = ("licence", "license", "licenses", "max_stars_repo_licenses", "detected_licenses")
_ENDING_COLUMNS = ("ext", "extension")
_COLUMNS = frozenset(
    {*_TEXT_COLUMNS, *_PATH_COLUMNS, *_LANGUAGE_COLUMNS, *_LICENCE_COLUMNS, *_ENDING_COLUMNS, "metadata"}
)


def find_rows(source: SourceSection, language: str, detector: LanguageDetector) -> Iterator[Candidate]:
    """All rows of a source of kind jsonl, parquet, hub or answers that may be of the language.

    The language of a row is the source's, else that of the name in its column of paths, else what its column of
    languages says; each column goes by any of the names that well-known data sets use. A column `metadata` may hold
    these, too, so that the documents of one corpus can be a source of another. Several licences of a row all hold.
    The content of an answer is its `answer_row`. A file that cannot be read on, and a row that is broken, count as one
    that is unreadable.

    Raises:
        CorpusError: no such file, no column of text, no way to tell the language, or the hub cannot be reached.
    """
    assert source.path is not None
    reader = _RowReader(source, language, detector)
    if source.kind == "hub":
        name = source_name(source.path) if source.path.is_dir() else two_parts(source.path.parts)
        for number, row in enumerate(read_hub(source)):
            yield from reader.candidates(name, number, row)
        return
    for file in row_files(source.path, source.kind):
        name = source_name(file)
        columns = _COLUMNS | {source.text_key or ""}
        rows = read_parquet(file, columns) if source.kind == "parquet" else read_jsonl(file)
        is_read = False
        try:
            for number, row in enumerate(rows):
                is_read = True
                yield from reader.candidates(name, number, row)
        except READ_ERRORS:
            yield reader.broken(name, is_of_any=not is_read and source.language is None)


class _RowReader:
    def __init__(self, source: SourceSection, language: str, detector: LanguageDetector):
        self._source, self._language, self._detector = source, language, detector
        self._is_of_answers = source.kind == "answers"

    def candidates(self, name: str, number: int, row: Any) -> Iterator[Candidate]:
        """The row, if it may be of the language."""
        if row is None:
            yield self.broken(f"{name}#{number}")
            return
        if isinstance(nested := row.get("metadata"), dict):
            row = nested | {key: value for key, value in row.items() if value is not None}
        label, name_inside = str(_first(row, _LANGUAGE_COLUMNS) or ""), _name_inside(row)
        text_key = self._source.text_key or next((key for key in _TEXT_COLUMNS if key in row), None)
        if number == 0:
            self._check_columns(name, row, text_key, label or name_inside)
        text = answer_row(row) if self._is_of_answers else row.get(text_key) if text_key is not None else None
        opener = partial(_open_text, text) if isinstance(text, str) else unreadable
        place = _encodable(f"{name}#{number}{name_inside}")
        licence = _encodable(_licence(_first(row, _LICENCE_COLUMNS))) or self._source.licence or "unknown"
        needs_content = self._needs_content(place if name_inside else "", label)
        if needs_content is not None:
            yield Candidate(self._language, self._source.kind, place, licence, opener, needs_content=needs_content)

    def broken(self, name: str, is_of_any: bool = False) -> Candidate:
        licence = self._source.licence or "unknown"
        return Candidate(self._language, self._source.kind, name, licence, unreadable, is_of_any=is_of_any)

    def _needs_content(self, path: str, label: str) -> bool | None:
        language = self._source.language or self._detector.by_name(path)
        if language is None and label:
            language = self._detector.by_title(label) or "another"
        if language is not None:
            return False if language == self._language else None
        return self._detector.needs_content(path, self._language) if path else None

    def _check_columns(self, name: str, row: Mapping[str, Any], text_key: str | None, clue: Any) -> None:
        has_text = answer_row(row) is not None if self._is_of_answers else text_key in row
        if not has_text:
            wanted = repr(text_key) if text_key else "named " + " or ".join(_TEXT_COLUMNS)
            wanted, remedy = (COLUMNS, "give rows of these") if self._is_of_answers else (wanted, "set text_key")
            columns = _encodable(", ".join(map(str, row)))
            raise CorpusError(f"corpus.sources: {name}: no column {wanted} (columns: {columns}); {remedy}")
        if not (self._source.language or clue):
            raise CorpusError(f"corpus.sources: {name}: rows have neither path nor language; set the source's language")


def _open_text(text: str) -> io.BytesIO:
    """Lone surrogates, which JSON can spell, come out as bytes that are no UTF-8 and are counted as such."""
    return io.BytesIO(text.encode("utf-8", "surrogatepass"))


def _encodable(text: str) -> str:
    """A row's text with `?` for lone surrogates: who writes down, hashes or prints it needs UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> Any:
    return next((row[column] for column in columns if row.get(column)), None)


def _name_inside(row: Mapping[str, Any]) -> str:
    """Path of a row, or its ending where it has no path, as what follows its number."""
    if path := _first(row, _PATH_COLUMNS):
        return f"/{path}"
    return f".{str(ending).removeprefix('.')}" if (ending := _first(row, _ENDING_COLUMNS)) else ""


def _licence(value: Any) -> str:
    """A licence, or all of a list: which of them holds for the file is not known."""
    if isinstance(value, list):
        return joined(str(licence) for licence in value if licence) or ""
    return "" if value is None else str(value)
