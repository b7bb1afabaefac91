"""The first step of the corpus pipeline: files of all sources, drawn by the seed."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.archives import find_members
from multipl_moe.corpus.candidates import READ_ERRORS, Candidate, find_files
from multipl_moe.corpus.decoding import RefusedFileError, decode
from multipl_moe.corpus.earliest_rows import EarliestRows
from multipl_moe.corpus.headers import without_licence_header
from multipl_moe.corpus.language_detection import LanguageDetector
from multipl_moe.corpus.rows import find_rows
from multipl_moe.errors import CorpusError
from multipl_moe.languages import LANGUAGES, Language
from multipl_moe.recipe import CorpusSection

_LICENCE_HEADER_CHARACTERS = 2048
_LICENCE = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
# Read once and in order: contents are not kept, and not to be had again.
_STREAMED = {"jsonl": find_rows, "parquet": find_rows, "hub": find_rows, "archive": find_members}


class SourceReader(PipelineStep):
    """Yields a document for each file drawn, language by language.

    The files of a language, of all sources together, are put in an order that depends on nothing but the seed and
    their paths, and taken until the next would exceed the budget: a larger budget keeps the files of a smaller one.
    Without a budget all are taken: first files in that order, then rows and members of archives as they come, as
    their contents are in memory one at a time.
    A document's id is its path; its metadata: language, path (with the source's name), source (its kind), licence.
    Statistics: `found/LANGUAGE`, and `dropped/REASON/LANGUAGE` for binary, encoding, too_large, too_small, unreadable
    and over_budget. A file whose name leaves its language open, and whose content is of another, is not counted; once
    the budget is full no content is asked. Of several tasks each reads its share of the languages.

    Args:
        corpus: sources, budget and limits.
        languages: names in the table.
        seed: decides the order.
        table: all languages that files may be of.
    """

    name = "Sources"
    type = "📖 - READER"

    def __init__(
        self, corpus: CorpusSection, languages: Iterable[str], seed: int, table: Mapping[str, Language] = LANGUAGES
    ):
        super().__init__()
        self.corpus = corpus
        self.languages = list(languages)
        self.seed = seed
        self.detector = LanguageDetector(table)
        self._num_found: Counter[str] = Counter()

    def run(self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield earlier documents, then those drawn.

        Raises:
            CorpusError: a source cannot be used, or languages have no file at all; the message names all of them.
        """
        if data:
            yield from data
        languages = self.languages[rank::world_size]
        with ExitStack() as open_until:
            found = self._gather(languages, open_until)
            if not self._is_streamed():
                self._require(languages)
            for language, candidates in found.items():
                yield from self._draw(language, candidates)
                if self._is_streamed():
                    yield from self._draw_stream(language)
            self._require(languages)

    def _gather(self, languages: list[str], open_until: ExitStack) -> dict[str, list[Candidate]]:
        found: dict[str, list[Candidate]] = {language: [] for language in languages}
        for source in self.corpus.sources:
            if source.kind not in _STREAMED:
                for candidate in find_files(source, languages, self.detector, open_until):
                    found[candidate.language].append(candidate)
        for language in languages:
            self._count_found(language, len(found[language]))
        if (budget := self.corpus.max_bytes_per_language) is None:
            return found
        limits = (self.corpus.min_file_bytes, self.corpus.max_file_bytes)
        for language in languages:
            rows = EarliestRows(self._rank, budget, limits, self._belongs)
            for candidate in self._stream(language):
                rows.put(candidate)
            found[language] += rows.rows()
            self._count_found(language, len(rows.rows()) + rows.num_dropped)
            self._count(f"dropped/over_budget/{language}", rows.num_dropped)
        return found

    def _stream(self, language: str) -> Iterator[Candidate]:
        """Rows and members of archives; each can be opened once, until the next is asked for."""
        for source in self.corpus.sources:
            if source.kind in _STREAMED and source.language in (None, language):
                yield from _STREAMED[source.kind](source, language, self.detector)

    def _draw(self, language: str, candidates: list[Candidate]) -> Iterator[Document]:
        budget, drawn_bytes = self.corpus.max_bytes_per_language, 0
        for index, candidate in enumerate(sorted(candidates, key=self._rank)):
            if (read := self._document(candidate)) is None:
                continue
            document, size = read
            if budget is not None and drawn_bytes + size > budget:
                self._count(f"dropped/over_budget/{language}", len(candidates) - index)
                return
            drawn_bytes += size
            yield document

    def _draw_stream(self, language: str) -> Iterator[Document]:
        for candidate in self._stream(language):
            self._count_found(language, 1)
            if (read := self._document(candidate)) is not None:
                yield read[0]

    def _document(self, candidate: Candidate) -> tuple[Document, int] | None:
        """The document and the bytes read for it; None, and counted, where there is none to be had."""
        language = candidate.language
        try:
            with self.track_time():
                content = self._read(candidate)
                if content is None:
                    self._count_found(language, -1)
                    return None
                text = decode(content)
                body = text
                if self.corpus.strip_licence_headers:
                    body = without_licence_header(text, self.detector.table[language])
                if not body:
                    raise RefusedFileError("too_small")
        except RefusedFileError as refused:
            self._count(f"dropped/{refused}/{language}", 1)
            return None
        metadata = {
            "language": language,
            "path": candidate.path,
            "source": candidate.kind,
            "licence": licence_in(text) or candidate.licence,
        }
        return Document(text=body, id=candidate.path, metadata=metadata), len(content)

    def _read(self, candidate: Candidate) -> bytes | None:
        """Content within the limits, None if it is of another language; never reads much more than the largest."""
        largest = self.corpus.max_file_bytes
        if candidate.size is not None and candidate.size > largest and not candidate.needs_content:
            raise RefusedFileError("too_large")
        try:
            with candidate.open() as stream:
                content = stream.read(largest + 1)
        except READ_ERRORS:
            if candidate.needs_content:
                return None
            raise RefusedFileError("unreadable") from None
        if candidate.needs_content and not self._belongs(candidate, content):
            return None
        if len(content) > largest:
            raise RefusedFileError("too_large")
        if len(content) < max(self.corpus.min_file_bytes, 1):
            raise RefusedFileError("too_small")
        return content

    def _belongs(self, candidate: Candidate, content: bytes) -> bool:
        return self.detector.by_content(content, candidate.path) == candidate.language

    def _is_streamed(self) -> bool:
        """Whether some contents are drawn as they come."""
        has_streams = any(source.kind in _STREAMED for source in self.corpus.sources)
        return has_streams and self.corpus.max_bytes_per_language is None

    def _require(self, languages: list[str]) -> None:
        if missing := [language for language in languages if not self._num_found[language]]:
            raise CorpusError(no_files(missing, self.detector.table))

    def _rank(self, candidate: Candidate) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}\0{candidate.path}".encode()).digest())

    def _count_found(self, language: str, number: int) -> None:
        self._num_found[language] += number
        self._count(f"found/{language}", number)

    def _count(self, label: str, number: int) -> None:
        if number:
            self.stat_update(label, value=number)


def licence_in(text: str) -> str | None:
    """The licence expression that a file names in its first lines (SPDX-License-Identifier), if it does."""
    match = _LICENCE.search(text[:_LICENCE_HEADER_CHARACTERS])
    return (match.group(1).strip(" \t-") or None) if match else None


def no_files(languages: list[str], table: Mapping[str, Language] = LANGUAGES) -> str:
    """Message for languages without a source file, with the Debian packages that bring some."""
    remedies = []
    for name in languages:
        packages = " ".join(table[name].packages)
        remedies.append(f"{name} (apt install {packages})" if packages else name)
    return (
        f"no source file for {', '.join(remedies)}; install what is missing or add to corpus.sources "
        "(on the command line: --source toolchains)"
    )
