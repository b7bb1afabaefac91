"""The corpus: source files in, deduplicated documents and their tokens out."""

from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.corpus.manifest import CorpusManifest, LanguageCounts
from multipl_moe.corpus.pipeline import build_corpus

__all__ = [
    "CorpusManifest",
    "LanguageCounts",
    "TextFile",
    "build_corpus",
    "read_documents",
]
