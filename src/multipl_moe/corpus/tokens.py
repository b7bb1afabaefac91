"""Tokenised training documents, one folder of datatrove's .ds and .ds.index files per language."""

from collections.abc import Iterable
from functools import cached_property
from itertools import groupby
from pathlib import Path

from datatrove.data import Document
from datatrove.io import get_datafolder
from datatrove.pipeline.tokens import DocumentTokenizer
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from multipl_moe.errors import BaseModelError


class LanguageTokenizer(DocumentTokenizer):
    """Writes the training documents of each language into that language's folder, each closed by the EOS token.

    Documents keep their order, which the draw has made random. Text is data: a document that spells a special token
    gets the ordinary tokens of those characters, and no document is cut or padded whatever tokenizer.json says.

    Args:
        output: folder of the languages' folders.
        tokenizer_file: tokenizer.json.
        eos_token: text of the token after each document.
    """

    def __init__(self, output: Path, tokenizer_file: Path, eos_token: str):
        super().__init__(
            str(output),
            str(tokenizer_file),
            eos_token=eos_token,
            batch_size=256,
            shuffle_documents=False,
            save_final_metadata=False,
        )
        self.output = output

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, with an EOS token after each text."""
        tokenizer = super().tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        return tokenizer

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> None:
        """Consume all documents; those of one language come together."""
        written: set[str] = set()
        training = (document for document in data if document.metadata["split"] == "train")
        for language, documents in groupby(training, key=lambda document: document.metadata["language"]):
            assert language not in written, f"documents of {language} come in two groups"
            written.add(language)
            self.output_folder = get_datafolder(str(self.output / language))
            super().run(documents)  # a language's files are named alike whichever task writes them


def eos_token(tokenizer_folder: Path) -> str:
    """The token that closes a document.

    Raises:
        BaseModelError: the folder holds no tokenizer.json, or its tokenizer names no such token.
    """
    file = tokenizer_folder / "tokenizer.json"
    if not file.is_file():
        raise BaseModelError(f"{tokenizer_folder}: no tokenizer.json; save the tokenizer with save_pretrained first")
    try:
        token = AutoTokenizer.from_pretrained(str(tokenizer_folder), local_files_only=True).eos_token
        known = Tokenizer.from_file(str(file)).token_to_id(token) is not None if token else False
    except Exception as error:  # the tokenizers library raises plain Exception
        raise BaseModelError(f"{tokenizer_folder}: not a tokenizer ({error})") from None
    if not known:
        raise BaseModelError(f"{file}: eos_token is {token!r}, which the vocabulary lacks; documents need an end")
    return token
