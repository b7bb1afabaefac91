"""The corpus of tests/corpus."""

from tests.corpus.conftest import corpus, corpus_recipe, sources_folder, tokenizer_folder, told

__all__ = ["corpus", "corpus_recipe", "sources_folder", "tokenizer_folder", "told"]
