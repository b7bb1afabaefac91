"""The corpus: source files in, deduplicated documents and packed training sequences out."""

from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.corpus.manifest import CorpusManifest, LanguageCounts
from multipl_moe.corpus.mixture import MixtureDataset
from multipl_moe.corpus.packed import PackedTokens
from multipl_moe.corpus.pipeline import build_corpus

__all__ = [
    "CorpusManifest",
    "LanguageCounts",
    "MixtureDataset",
    "PackedTokens",
    "TextFile",
    "build_corpus",
    "read_documents",
]
