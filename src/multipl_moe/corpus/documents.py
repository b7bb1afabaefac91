"""Reading the documents of a corpus folder back, as text."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from multipl_judge.languages.answers import answers_in
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.errors import CorpusError

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class TextFile:
    """A source file of a corpus: path with the source's name, text and SPDX licence; of an answer its cuts, too."""

    path: str
    text: str
    licence: str
    cuts: tuple[int, ...] = ()


def documents_path(folder: Path, split: str, language: str) -> Path:
    """Where a corpus folder keeps the documents of one split and language."""
    return folder / "documents" / split / f"{language}.jsonl.gz"


def tokens_path(folder: Path, name: str) -> Path:
    """Where a corpus folder keeps the training tokens of a language, or of the answers in one."""
    return folder / "tokens" / "train" / name


def read_documents(folder: Path, split: Split, language: str, limit: int | None = None) -> list[TextFile]:
    """The files of one split and language; of a language without files its answers.

    They come in the order of the draw, which is random and fixed by the seed: the first `limit` are a sample.

    Raises:
        CorpusError: the corpus does not hold them, or the file is broken.
    """
    path = documents_path(folder, split, language)
    path = path if path.is_file() else documents_path(folder, split, answers_in(language))
    if not path.is_file():
        CorpusManifest.load(folder)  # a folder of something else is told as such
        held = sorted(file.name.removesuffix(".jsonl.gz") for file in path.parent.glob("*.jsonl.gz"))
        raise CorpusError(f"{folder}: no {split} documents in {language}; there are: {', '.join(held) or 'none'}")
    with broken_is_an_error(path), gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, limit)]
        return [
            TextFile(meta["path"], row["text"], meta["licence"], tuple(meta.get("cuts", ())))
            for row, meta in ((row, row["metadata"]) for row in rows)
        ]


@contextmanager
def broken_is_an_error(file: Path) -> Iterator[None]:
    """Turns whatever is wrong with a corpus's file, or with what its rows hold, into a CorpusError that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        raise CorpusError(f"{file}: broken ({why}); build the corpus again") from None
