"""The first step of the corpus pipeline: files of all sources, drawn by the seed."""

import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, nullcontext

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.corpus.candidates import Candidate, find_files
from multipl_moe.corpus.draw import draw_order
from multipl_moe.corpus.headers import without_licence_header
from multipl_moe.corpus.rows import EarliestRows, find_rows
from multipl_moe.languages import LANGUAGES
from multipl_moe.recipe import CorpusSection

_LICENCE_HEADER_CHARACTERS = 2048
_LICENCE = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
_READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)


_EXCERPT_BYTES = 1200


class _RefusedFileError(Exception):
    """A file that does not go into the corpus: the reason, as in the manifest, and how its content begins."""

    def __init__(self, reason: str, content: bytes = b""):
        super().__init__(reason)
        self.reason, self.excerpt = reason, content[:_EXCERPT_BYTES].decode("utf-8", "replace")


class SourceReader(PipelineStep):
    """Yields a document for each file drawn, language by language.

    The files of a language, of all sources together, are put in an order that depends on nothing but the seed and
    their paths, and taken until the next would exceed the budget: a larger budget keeps the files of a smaller one.
    They are dealt to `corpus.executor.parts` parts by the same hash, each with its part of the budget. A task reads
    one part of one language; where there are fewer tasks, each reads several.

    A document's id is its path; its metadata: language, path (with the source's name), source (its kind), licence.
    Statistics: `found/LANGUAGE`, and `dropped/REASON/LANGUAGE` for binary, encoding, too_large, too_small, unreadable
    and over_budget.

    Args:
        corpus: sources, budget and limits.
        languages: names in `LANGUAGES`.
        seed: decides the order.
        exclusion_writer: is given the files refused, but not those over the budget, which nothing was read of.
    """

    name = "Sources"
    type = "📖 - READER"

    def __init__(
        self, corpus: CorpusSection, languages: Iterable[str], seed: int, exclusion_writer: DiskWriter | None = None
    ):
        super().__init__()
        self.corpus = corpus
        self.languages = list(languages)
        self.seed = seed
        self.exclusion_writer = exclusion_writer

    def run(self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield earlier documents, then those drawn.

        Raises:
            CorpusError: a source cannot be used.
        """
        if data:
            yield from data
        num_parts = self.corpus.executor.parts
        shares = [(language, part) for language in self.languages for part in range(num_parts)]
        with self.exclusion_writer or nullcontext():
            for language, part in shares[rank::world_size]:
                with ExitStack() as archives:
                    for candidates in self._gather([language], archives, part).values():
                        yield from self._draw(language, candidates, rank)

    def _gather(self, languages: list[str], archives: ExitStack, part: int = 0) -> dict[str, list[Candidate]]:
        """Those of a part among the files of all sources; statistics are of them alone."""
        found: dict[str, list[Candidate]] = {language: [] for language in languages}
        limits = (self.corpus.min_file_bytes, self.corpus.max_file_bytes)
        rows = {name: EarliestRows(self._rank, self._budget_bytes, limits) for name in languages}
        for source in self.corpus.sources:
            if source.kind in ("jsonl", "parquet"):
                for candidate in find_rows(source):
                    if candidate.language in rows and self._is_of(part, candidate):
                        rows[candidate.language].put(candidate)
                continue
            for candidate in find_files(source, languages, archives):
                if self._is_of(part, candidate):
                    found[candidate.language].append(candidate)
        for language in languages:
            found[language] += rows[language].rows()
            self._count(f"found/{language}", len(found[language]) + rows[language].num_dropped)
            self._count(f"dropped/over_budget/{language}", rows[language].num_dropped)
        return found

    def _draw(self, language: str, candidates: list[Candidate], task: int) -> Iterator[Document]:
        drawn_bytes = 0
        for index, candidate in enumerate(sorted(candidates, key=self._rank)):
            try:
                with self.track_time():
                    text, size = self._read(candidate)
            except _RefusedFileError as refused:
                self._refuse(candidate, refused, task)
                continue
            if drawn_bytes + size > self._budget_bytes:
                self._count(f"dropped/over_budget/{language}", len(candidates) - index)
                return
            drawn_bytes += size
            yield Document(text=text, id=candidate.path, metadata=_metadata(candidate, text))

    @property
    def _budget_bytes(self) -> float:
        """Bytes of all files drawn in one part of a language."""
        budget = self.corpus.max_bytes_per_language
        return math.inf if budget is None else budget / self.corpus.executor.parts

    def _is_of(self, part: int, candidate: Candidate) -> bool:
        num_parts = self.corpus.executor.parts
        return num_parts == 1 or self._rank(candidate) % num_parts == part

    def _refuse(self, candidate: Candidate, refused: _RefusedFileError, task: int) -> None:
        self._count(f"dropped/{refused.reason}/{candidate.language}", 1)
        if self.exclusion_writer is not None:
            metadata = _metadata(candidate, "") | {"filter_reason": refused.reason}
            self.exclusion_writer.write(Document(refused.excerpt, candidate.path, metadata=metadata), task)

    def _read(self, candidate: Candidate) -> tuple[str, int]:
        """Text and its bytes; never reads much more than the largest file allowed."""
        try:
            with candidate.open() as stream:
                content = stream.read(self.corpus.max_file_bytes + 1)
        except _READ_ERRORS:
            raise _RefusedFileError("unreadable") from None
        if len(content) > self.corpus.max_file_bytes:
            raise _RefusedFileError("too_large", content)
        if len(content) < max(self.corpus.min_file_bytes, 1):
            raise _RefusedFileError("too_small", content)
        if b"\0" in content:
            raise _RefusedFileError("binary")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise _RefusedFileError("encoding", content) from None
        if self.corpus.strip_licence_headers and not without_licence_header(text, candidate.language):
            raise _RefusedFileError("too_small", content)  # nothing else in it, so it takes no part of the budget
        return text, len(content)

    def _rank(self, candidate: Candidate) -> int:
        return draw_order(self.seed, candidate.path)

    def _count(self, label: str, number: int) -> None:
        if number:
            self.stat_update(label, value=number)


def _metadata(candidate: Candidate, text: str) -> dict[str, str]:
    return {
        "language": candidate.language,
        "path": candidate.path,
        "source": candidate.kind,
        "licence": licence_in(text) or candidate.licence,
    }


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
