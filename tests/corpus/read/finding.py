"""What sources hold, as a corpus's reader finds it."""

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from datatrove.data import Document

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.read.candidates import READ_ERRORS, Candidate, find_files
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.corpus.read.sources import _STREAMED, SourceReader
from multipl_moe.recipe.corpus import SourceSection
from tests.corpus.conftest import recipe_of


class Found(NamedTuple):
    """A candidate with its content; None where it cannot be read."""

    language: str
    path: str
    licence: str
    text: str | None


def find(kind: str, path: Path | str, *languages: str, **keys) -> list[Found]:
    """The candidates of a source, language by language; those that can be opened at any time are, the last first."""
    source, detector = SourceSection.model_validate({"kind": kind, "path": path, **keys}), LanguageDetector(LANGUAGES)
    found = []
    for language in languages:
        with ExitStack() as open_until:
            if kind in _STREAMED:
                found += map(_opened, _STREAMED[kind](source, language, detector))
            else:
                candidates = list(find_files(source, language, detector, open_until))
                found += reversed([*map(_opened, reversed(candidates))])
    return found


def _opened(candidate: Candidate) -> Found:
    try:
        text = candidate.open().read().decode("utf-8", "surrogatepass")
    except READ_ERRORS:
        text = None
    return Found(candidate.language, candidate.path, candidate.licence, text)


def read(*sources: dict, languages: tuple[str, ...] = ("rust",), seed: int = 0, **corpus):
    """The documents drawn and the reader's statistics."""
    reader = SourceReader(recipe_of(*sources, **corpus).corpus, languages, seed)
    documents: list[Document] = list(reader.run())
    return documents, {label: metric.total for label, metric in reader.stats.stats.items()}
