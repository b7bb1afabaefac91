"""The documents of a corpus: where they come from, and some to read."""

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multipl_judge.languages.answers import parts_of
from multipl_moe.corpus.documents import broken_is_an_error, documents_path
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.corpus.read.row_files import rows_of
from multipl_moe.errors import CorpusError

_SHOWN_LINE_CHARACTERS = 300
_ROW_NUMBER = re.compile(r"#\d+")
_SOURCE_PARTS = 2


@dataclass(frozen=True)
class DocumentSample:
    """A document as one may read it: what is known of the whole text, and its first lines, overlong ones cut.

    In an answer ⟦ and ⟧ stand around the text that counts in the loss.
    """

    path: str
    split: str
    licence: str
    num_bytes: int
    num_lines: int
    beginning: str


@dataclass(frozen=True)
class Documents:
    """Files by language and source (its kind and name), and samples of each language in the order of the draw."""

    sources: dict[str, Counter[str]] = field(default_factory=dict)
    samples: dict[str, list[DocumentSample]] = field(default_factory=dict)


def inspect_documents(folder: Path, manifest: CorpusManifest, seed: int, num_samples: int, num_lines: int) -> Documents:
    """Read all documents once; CorpusError where they are broken, or others than the manifest tells of."""
    found = Documents()
    for language, told in manifest.languages.items():
        sources = found.sources[language] = Counter()
        samples = found.samples[language] = []
        number = 0
        shown = drawn(f"{seed} {language}", told.train_files + told.validation_files, num_samples)
        for split, told_files, told_bytes in (
            ("train", told.train_files, told.train_bytes),
            ("validation", told.validation_files, told.validation_bytes),
        ):
            file = documents_path(folder, split, language)
            first, num_bytes = number, 0
            with broken_is_an_error(file):
                for row in rows_of(file):
                    if number in shown:
                        samples.append(_sample(split, row, num_lines))
                    number += 1
                    sources[f"{row['metadata']['source']} {source_of(row['metadata']['path'])}"] += 1
                    num_bytes += len(row["text"].encode())
            require_told(file, "documents", number - first, told_files)
            require_told(file, "bytes of text", num_bytes, told_bytes)
    return found


def _sample(split: str, row: dict[str, Any], num_lines: int) -> DocumentSample:
    metadata = row["metadata"]
    parts = parts_of(row["text"], metadata.get("cuts", ()))
    text = "".join(f"⟦{part}⟧" if number % 2 else part for number, part in enumerate(parts))
    lines = text.removesuffix("\n").split("\n")
    beginning = "\n".join(_shown(line) for line in lines[:num_lines])
    return DocumentSample(
        metadata["path"], split, metadata["licence"], len(row["text"].encode()), len(lines), beginning
    )


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN_LINE_CHARACTERS else f"{line[:_SHOWN_LINE_CHARACTERS]} ..."


def require_told(file: Path, what: str, found: int, told: int) -> None:
    """Raise CorpusError where a file does not hold as much as manifest.json says."""
    if found != told:
        raise CorpusError(f"{file}: has {found:,} {what}, but manifest.json says {told:,}; build the corpus again")


def drawn(seed: str, total: int, size: int) -> set[int]:
    """Which of `total` items are shown: `size` of them, each as likely as any other, or all; the seed decides."""
    return set(random.Random(seed).sample(range(total), max(min(size, total), 0)))


def source_of(path: str) -> str:
    """The name of the source, which a document's path begins with: two parts of it, or all before a row's number."""
    return "/".join(_ROW_NUMBER.split(path, maxsplit=1)[0].split("/")[:_SOURCE_PARTS])
