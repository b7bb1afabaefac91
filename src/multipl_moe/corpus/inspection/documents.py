"""The documents of a corpus: where they come from, and some to read."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from multipl_judge.languages.answers import parts_of
from multipl_moe.corpus.documents import documents_path
from multipl_moe.corpus.inspection.rows import Reservoir, broken_is_an_error, require_told, rows_of, source_of
from multipl_moe.corpus.manifest import CorpusManifest

_SHOWN_LINE_CHARACTERS = 300


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
    """Read all documents once; the seed chooses the samples.

    Raises:
        CorpusError: documents are missing, broken, or others than the manifest tells of.
    """
    found = Documents()
    for language in manifest.languages:
        sources: Counter[str] = Counter()
        samples: Reservoir[tuple[int, _Document]] = Reservoir(num_samples, f"{seed} {language}")
        for document in _documents(folder, manifest, language):
            sources[document.source] += 1
            samples.add((samples.num_seen, document))
        found.sources[language] = sources
        in_order = sorted(samples.items, key=lambda sample: sample[0])
        found.samples[language] = [_sample(document, num_lines) for _, document in in_order]
    return found


class _Document(NamedTuple):
    path: str
    split: str
    licence: str
    source: str
    text: str
    cuts: list[int]


def _documents(folder: Path, manifest: CorpusManifest, language: str) -> Iterator[_Document]:
    told = manifest.languages[language]
    for split, told_files, told_bytes in (
        ("train", told.train_files, told.train_bytes),
        ("validation", told.validation_files, told.validation_bytes),
    ):
        file = documents_path(folder, split, language)
        num_files = num_bytes = 0
        with broken_is_an_error(file):
            for row in rows_of(file):
                metadata, text = row["metadata"], row["text"]
                num_files += 1
                num_bytes += len(text.encode())
                source = f"{metadata['source']} {source_of(metadata['path'])}"
                yield _Document(metadata["path"], split, metadata["licence"], source, text, metadata.get("cuts", []))
        require_told(file, "documents", num_files, told_files)
        require_told(file, "bytes of text", num_bytes, told_bytes)


def _sample(document: _Document, num_lines: int) -> DocumentSample:
    parts = parts_of(document.text, document.cuts)
    text = "".join(f"⟦{part}⟧" if number % 2 else part for number, part in enumerate(parts))
    lines = text.removesuffix("\n").split("\n")
    beginning = "\n".join(_shown(line) for line in lines[:num_lines])
    num_bytes = len(document.text.encode())
    return DocumentSample(document.path, document.split, document.licence, num_bytes, len(lines), beginning)


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN_LINE_CHARACTERS else f"{line[:_SHOWN_LINE_CHARACTERS]} ..."
