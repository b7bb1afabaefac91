"""The first step of the corpus pipeline: files of all sources, drawn by the seed."""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.candidates import Candidate, find_files
from multipl_moe.corpus.headers import without_licence_header
from multipl_moe.corpus.rows import EarliestRows, find_rows
from multipl_moe.errors import CorpusError
from multipl_moe.languages import LANGUAGES
from multipl_moe.recipe import CorpusSection

_LICENCE_HEADER_CHARACTERS = 2048
_LICENCE = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
_READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)


class _RefusedFileError(Exception):
    """A file that does not go into the corpus; the argument is the reason, as in the manifest."""


class SourceReader(PipelineStep):
    """Yields a document for each file drawn, language by language.

    The files of a language, of all sources together, are put in an order that depends on nothing but the seed and
    their paths, and taken until the next would exceed the budget: a larger budget keeps the files of a smaller one.
    A document's id is its path; its metadata: language, path (with the source's name), source (its kind), licence.
    Statistics: `found/LANGUAGE`, and `dropped/REASON/LANGUAGE` for binary, encoding, too_large, too_small, unreadable
    and over_budget. Of several tasks each reads its share of the languages.

    Args:
        corpus: sources, budget and limits.
        languages: names in `LANGUAGES`.
        seed: decides the order.
    """

    name = "Sources"
    type = "📖 - READER"

    def __init__(self, corpus: CorpusSection, languages: Iterable[str], seed: int):
        super().__init__()
        self.corpus = corpus
        self.languages = list(languages)
        self.seed = seed

    def run(self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield earlier documents, then those drawn.

        Raises:
            CorpusError: a source cannot be used, or languages have no file at all; the message names all of them.
        """
        if data:
            yield from data
        with ExitStack() as archives:
            found = self._gather(self.languages[rank::world_size], archives)
            if missing := [language for language, candidates in found.items() if not candidates]:
                raise CorpusError(no_files(missing))
            for language, candidates in found.items():
                yield from self._draw(language, candidates)

    def _gather(self, languages: list[str], archives: ExitStack) -> dict[str, list[Candidate]]:
        found: dict[str, list[Candidate]] = {language: [] for language in languages}
        limits = (self.corpus.min_file_bytes, self.corpus.max_file_bytes)
        rows = {name: EarliestRows(self._rank, self.corpus.max_bytes_per_language, limits) for name in languages}
        for source in self.corpus.sources:
            if source.kind in ("jsonl", "parquet"):
                for candidate in find_rows(source):
                    if candidate.language in rows:
                        rows[candidate.language].put(candidate)
                continue
            for candidate in find_files(source, languages, archives):
                found[candidate.language].append(candidate)
        for language in languages:
            found[language] += rows[language].rows()
            self._count(f"found/{language}", len(found[language]) + rows[language].num_dropped)
            self._count(f"dropped/over_budget/{language}", rows[language].num_dropped)
        return found

    def _draw(self, language: str, candidates: list[Candidate]) -> Iterator[Document]:
        drawn_bytes = 0
        for index, candidate in enumerate(sorted(candidates, key=self._rank)):
            try:
                with self.track_time():
                    text, size = self._read(candidate)
            except _RefusedFileError as refused:
                self._count(f"dropped/{refused}/{language}", 1)
                continue
            body = without_licence_header(text, language) if self.corpus.strip_licence_headers else text
            if not body:
                self._count(f"dropped/too_small/{language}", 1)
                continue
            if drawn_bytes + size > self.corpus.max_bytes_per_language:
                self._count(f"dropped/over_budget/{language}", len(candidates) - index)
                return
            drawn_bytes += size
            metadata = {
                "language": language,
                "path": candidate.path,
                "source": candidate.kind,
                "licence": licence_in(text) or candidate.licence,
            }
            yield Document(text=body, id=candidate.path, metadata=metadata)

    def _read(self, candidate: Candidate) -> tuple[str, int]:
        """Text and its bytes; never reads much more than the largest file allowed."""
        try:
            with candidate.open() as stream:
                content = stream.read(self.corpus.max_file_bytes + 1)
        except _READ_ERRORS:
            raise _RefusedFileError("unreadable") from None
        if len(content) > self.corpus.max_file_bytes:
            raise _RefusedFileError("too_large")
        if len(content) < max(self.corpus.min_file_bytes, 1):
            raise _RefusedFileError("too_small")
        if b"\0" in content:
            raise _RefusedFileError("binary")
        try:
            return content.decode("utf-8"), len(content)
        except UnicodeDecodeError:
            raise _RefusedFileError("encoding") from None

    def _rank(self, candidate: Candidate) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}\0{candidate.path}".encode()).digest())

    def _count(self, label: str, number: int) -> None:
        if number:
            self.stat_update(label, value=number)


def licence_in(text: str) -> str | None:
    """The licence expression that a file names in its first lines (SPDX-License-Identifier), if it does."""
    match = _LICENCE.search(text[:_LICENCE_HEADER_CHARACTERS])
    return (match.group(1).strip(" \t-") or None) if match else None


def no_files(languages: list[str]) -> str:
    """Message for languages without a source file, with the Debian packages that bring some."""
    remedies = []
    for name in languages:
        packages = " ".join(LANGUAGES[name].packages)
        remedies.append(f"{name} (apt install {packages})" if packages else name)
    return (
        f"no source file for {', '.join(remedies)}; install what is missing or add to corpus.sources "
        "(on the command line: --source toolchains)"
    )
