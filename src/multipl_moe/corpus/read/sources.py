"""The first step of the corpus pipeline: files of all sources, drawn by the seed."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_judge.languages.answers import are_answers, language_of
from multipl_judge.languages.table import LANGUAGES, Language
from multipl_moe.corpus.licences.header_removal import without_licence_header
from multipl_moe.corpus.read.archives import find_members
from multipl_moe.corpus.read.candidates import READ_ERRORS, Candidate, draw_order, find_files
from multipl_moe.corpus.read.decoding import RefusedFileError, decode
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.corpus.read.rows import find_rows
from multipl_moe.corpus.read.streamed_rows import EarliestRows
from multipl_moe.recipe.corpus import CorpusSection, SourceSection

# Read once and in order; each can be opened until the next is asked for.
_STREAMED = {"answers": find_rows, "jsonl": find_rows, "parquet": find_rows, "hub": find_rows, "archive": find_members}


class SourceReader(PipelineStep):
    """Yields a document for each file drawn, language by language.

    The files of a language, of all sources together, are put in an order that depends on nothing but the seed and
    their paths, and taken until the next would exceed the budget: a larger budget keeps the files of a smaller one.
    Of rows and members of archives, which can be read but once, those that the budget may take are held on disk;
    without a budget all of them are. Held-out sources are taken whole, and take nothing of the budget. Answers, under
    names of their own, have neither a budget nor a least size. Files are dealt to `corpus.executor.parts` parts by
    the same hash, each with its part of the budget. A task reads one part of one language; where there are fewer
    tasks, each reads several.

    A document's id is its path; its metadata are those of `_metadata`.
    Statistics: `found/LANGUAGE`, and `dropped/REASON/LANGUAGE` for binary, encoding, too_large, too_small, unreadable
    and over_budget. A file whose name leaves its language open, and whose content is of another, is not counted; once
    the budget is full no content is asked.

    `languages` are names in the table, and names of answers in them. The writer is given the files refused, but not
    those over the budget, which nothing was read of. Contents that are to be drawn wait in the folder `scratch`.
    """

    name = "Sources"
    type = "📖 - READER"

    def __init__(
        self,
        corpus: CorpusSection,
        languages: Iterable[str],
        seed: int,
        table: Mapping[str, Language] = LANGUAGES,
        exclusion_writer: DiskWriter | None = None,
        scratch: Path | None = None,
    ):
        super().__init__()
        self.corpus = corpus
        self.languages = list(languages)
        self.seed = seed
        self.detector = LanguageDetector(table)
        self.exclusion_writer = exclusion_writer
        self.scratch = scratch

    def run(self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents drawn; CorpusError where a source cannot be used."""
        shares = [(language, part) for language in self.languages for part in range(self.corpus.executor.parts)]
        with self.exclusion_writer or nullcontext():
            for language, part in shares[rank::world_size]:
                with ExitStack() as open_until:
                    yield from self._draw(language, self._gather(language, part, open_until), rank)

    def _gather(self, language: str, part: int, open_until: ExitStack) -> list[Candidate]:
        """Those of a part among the files of all sources; statistics are of them alone."""
        found: list[Candidate] = []
        file_bytes = (self._min_bytes(language), self.corpus.max_file_bytes)
        asked = language_of(language)
        rows = {
            is_held_out: EarliestRows(self._rank, budget, file_bytes, self._content, self.scratch)
            for is_held_out, budget in ((False, self._budget_bytes(language)), (True, math.inf))
        }
        for source in self.corpus.sources:
            if (source.kind == "answers") != are_answers(language) or source.language not in (None, asked):
                continue
            is_streamed = source.kind in _STREAMED
            if is_streamed:
                candidates = _STREAMED[source.kind](source, asked, self.detector)
            else:
                candidates = find_files(source, asked, self.detector, open_until)
            add = rows[source.held_out].put if is_streamed else found.append
            for candidate in candidates:
                if self._is_of(part, candidate):
                    add(replace(candidate, language=language, held_out=source.held_out))
        found += [*rows[False].rows(), *rows[True].rows()]
        self._count(f"found/{language}", len(found) + rows[False].num_dropped)
        self._count(f"dropped/over_budget/{language}", rows[False].num_dropped)
        return found

    def _draw(self, language: str, candidates: list[Candidate], task: int) -> Iterator[Document]:
        ordered, drawn_bytes, is_full = sorted(candidates, key=self._rank), 0, False
        for index, candidate in enumerate(ordered):
            if (is_full and not candidate.held_out) or (read := self._document(candidate, task)) is None:
                continue
            document, size = read
            if not candidate.held_out:
                drawn_bytes += size
                if is_full := drawn_bytes > self._budget_bytes(language):
                    left = sum(not other.held_out for other in ordered[index:])
                    self._count(f"dropped/over_budget/{language}", left)
                    continue
            yield document

    def _budget_bytes(self, language: str) -> float:
        budget = None if are_answers(language) else self.corpus.max_bytes_of(language)
        return math.inf if budget is None else budget / self.corpus.executor.parts

    def _min_bytes(self, language: str) -> int:
        return 0 if are_answers(language) else self.corpus.min_file_bytes

    def _is_of(self, part: int, candidate: Candidate) -> bool:
        if candidate.is_of_any and language_of(candidate.language) != self.languages[0]:
            return False
        num_parts = self.corpus.executor.parts
        return num_parts == 1 or self._rank(candidate) % num_parts == part

    def _document(self, candidate: Candidate, task: int) -> tuple[Document, int] | None:
        """The document and the bytes read for it; None, and counted, where there is none to be had."""
        try:
            with self.track_time():
                content = self._read(candidate)
                if content is None:
                    self._count(f"found/{candidate.language}", -1)
                    return None
                text = self._decode(candidate, content)
                return Document(text=text, id=candidate.path, metadata=_metadata(candidate)), len(content)
        except RefusedFileError as refused:
            self._refuse(candidate, refused, task)
            return None

    def _decode(self, candidate: Candidate, content: bytes) -> str:
        text = rest = decode(content)
        if self.corpus.strip_licence_headers and not are_answers(candidate.language):
            rest = without_licence_header(text, self.detector.table[candidate.language])
        if not rest:
            raise RefusedFileError("too_small", content)  # a mark or a header alone takes no part of the budget
        return text

    def _refuse(self, candidate: Candidate, refused: RefusedFileError, task: int) -> None:
        self._count(f"dropped/{refused.reason}/{candidate.language}", 1)
        if self.exclusion_writer is not None:
            metadata = _metadata(candidate) | {"filter_reason": refused.reason}
            self.exclusion_writer.write(Document(refused.excerpt, candidate.path, metadata=metadata), task)

    def _read(self, candidate: Candidate) -> bytes | None:
        """Content within the limits, None if it is of another language."""
        content = self._content(candidate)
        if content is not None and len(content) > self.corpus.max_file_bytes:
            raise RefusedFileError("too_large", content)
        if content is not None and len(content) < max(self._min_bytes(candidate.language), 1):
            raise RefusedFileError("too_small", content)
        return content

    def _content(self, candidate: Candidate) -> bytes | None:
        """Content, of which no more is read than shows that it is too large; None if it is of another language."""
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
        if not candidate.needs_content:
            return content
        found = self.detector.by_content(content, candidate.path)
        return content if found == language_of(candidate.language) else None

    def _rank(self, candidate: Candidate) -> int:
        return draw_order(self.seed, candidate.path)

    def _count(self, label: str, number: int) -> None:
        if number:
            self.stat_update(label, value=number)


def _metadata(candidate: Candidate) -> dict[str, Any]:
    return {
        "language": candidate.language,
        "path": candidate.path,
        "source": candidate.kind,
        "licence": candidate.licence,
    } | ({"held_out": True} if candidate.held_out else {})


def no_files(languages: list[str], sources: Iterable[SourceSection], table: Mapping[str, Language] = LANGUAGES) -> str:
    """Message for languages without a source file: what was looked for and where, and what brings some."""
    paths = [str(source.path) for source in sources if source.path is not None]
    asks_toolchains = any(source.kind == "toolchains" for source in sources)
    missing = []
    for name in languages:
        packages = " ".join(table[name].packages)
        endings = ", ".join((*table[name].extensions, *table[name].shared_extensions))
        hint = f"apt install {packages}" if packages and asks_toolchains else endings
        missing.append(f"{name} ({hint})" if hint else name)
    where = f" in {', '.join(paths)}" if paths else ""
    install = "install what is missing or " if asks_toolchains else ""
    toolchains = "" if asks_toolchains else " (for standard libraries: --source toolchains)"
    return f"no source file for {', '.join(missing)}{where}; {install}add to corpus.sources{toolchains}"
