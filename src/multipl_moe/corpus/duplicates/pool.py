"""The pool: the documents that were read, one file a task, and an index of them for steps that need no text."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from datatrove.data import Document

from multipl_moe.corpus.read.candidates import draw_order
from multipl_moe.corpus.read.row_files import rows_of


@dataclass(frozen=True)
class Entry:
    """A document of the pool: its line in the file of the task that read it; equal texts have equal digests."""

    task: int
    position: int
    path: str
    language: str
    digest: str


@dataclass(frozen=True)
class PoolOrder:
    """How the files of a pool become one order, in which the first of duplicates is the one to stay.

    The `num_parts` tasks of the first language come first; the seed decides the order within a language.
    """

    seed: int
    num_languages: int
    num_parts: int

    @property
    def num_tasks(self) -> int:
        """Number of files of the pool."""
        return self.num_languages * self.num_parts

    def tasks(self, language: int) -> range:
        """The tasks that read a language, by its number."""
        return range(language * self.num_parts, (language + 1) * self.num_parts)

    def entries(self, index: Path) -> Iterator[Entry]:
        """All entries of an index, in order; no more than a line of each file is held."""
        for language in range(self.num_languages):
            files = [_entries(index, task) for task in self.tasks(language)]
            yield from heapq.merge(*files, key=lambda entry: draw_order(self.seed, entry.path))


def write_index(index: Path, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
    """Step of a pipeline: write path, language and digest of each document of a task into a file of its own."""
    index.mkdir(parents=True, exist_ok=True)
    with _file(index, rank).open("wb") as lines:
        for document in data:
            digest = hashlib.blake2b(document.text.encode("utf-8"), digest_size=16).hexdigest()
            row = [document.metadata["path"], document.metadata["language"], digest]
            lines.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            yield document


def read_pool(
    pool: Path, order: PoolOrder, by_language: bool, data: None = None, rank: int = 0, world_size: int = 1
) -> Iterator[Document]:
    """First step of a pipeline: documents in the order of the draw; the metadata `place` holds task and line.

    A task reads all files of a language (`by_language`), or only one.
    """
    files = [_documents(pool, task) for task in (order.tasks(rank) if by_language else [rank])]
    yield from heapq.merge(*files, key=lambda document: draw_order(order.seed, document.id))


def _documents(pool: Path, task: int) -> Iterator[Document]:
    if (file := _file(pool, task)).is_file():  # a task without documents writes none
        for position, row in enumerate(rows_of(file)):
            yield Document(row["text"], row["id"], metadata=row["metadata"] | {"place": (task, position)})


def _file(folder: Path, task: int) -> Path:
    return folder / f"{task:05d}.jsonl"


def _entries(index: Path, task: int) -> Iterator[Entry]:
    for position, row in enumerate(rows_of(_file(index, task))):
        yield Entry(task, position, *row)
