"""Tokenised training documents, one folder of datatrove's .ds and .ds.index files per language."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datatrove.data import Document
from datatrove.io import get_datafolder
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.tokens.tokenizer import TokenizedFile
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer

from multipl_judge.languages.answers import are_answers, parts_of
from multipl_moe.corpus.answers import answer_tokens
from multipl_moe.corpus.fim import FimCut, FimRule, arranged, cut_parts, joins_exactly
from multipl_moe.errors import BaseModelError
from multipl_moe.start_tokens import start_tokens

# What is tokenised at a time: tokens in the library's form take some 20 times the memory of their text.
_BATCH_DOCUMENTS, _BATCH_CHARACTERS = 256, 4_000_000


class DocumentBounds(NamedTuple):
    """The ids before each document, or piece of a rearranged one, and the id after it."""

    start: list[int]
    end: int


class LanguageTokenizer(DocumentTokenizer):
    """Writes the training documents of each language into that language's folder, each within its bounds.

    Documents keep their order, which the draw has made random. Text is data: a document that spells a special token
    gets the ordinary tokens of those characters, and no document is cut or padded whatever tokenizer.json says.
    Of answers `answer_tokens` are written, and which of them count. With `fim` some files are rearranged to fill in
    the middle; where that is done piece by piece, each piece has an end of its own in the index. Statistics:
    `fim_FORM/LANGUAGE`, documents in that form; `normalised_files/LANGUAGE`, those whose tokens give another text back,
    as the tokenizer normalises it.
    """

    def __init__(self, output: Path, tokenizer_file: Path, bounds: DocumentBounds, fim: FimRule | None = None):
        super().__init__(str(output), str(tokenizer_file), shuffle_documents=False, save_final_metadata=False)
        self.output, self.bounds, self.fim = output, bounds, fim

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which takes the special tokens that a text spells for text."""
        tokenizer = super().tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        if self.fim is not None:  # in some tokenizers, as Qwen's, they count as ordinary text
            texts = [tokenizer.id_to_token(index) for index in self.fim.tokens]
            tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in texts])
        return tokenizer

    @cached_property
    def _joins(self) -> bool:
        return joins_exactly(self.tokenizer)

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> None:
        """Consume all documents; those of one language come together."""
        training = (document for document in data if document.metadata["split"] == "train")
        for language, documents in groupby(training, key=lambda document: document.metadata["language"]):
            self.output_folder = get_datafolder(str(self.output / language))
            self.save_loss_metadata = are_answers(language)
            super().run(documents)  # a language's files are named alike whichever task writes them

    def write_unshuffled(self, data: Iterable[Document], filename: str) -> TokenizedFile:
        """Write the documents' tokens and where each document, or piece of one, ends."""
        has_loss, size = self.save_loss_metadata, self.token_size
        file = TokenizedFile(self.output_folder, filename, save_loss_metadata=has_loss, token_size=size)
        for batch in _batches(data):
            with self.track_time(unit="batch"):
                encoded = map(self._encode_answer, batch) if has_loss else ((row, None) for row in self._encode(batch))
                for tokens, counts in encoded:
                    file.write(tokens, counts)
                    self.stat_update("tokens", value=len(tokens))
        file.close()
        return file

    def _encode(self, documents: Sequence[Document]) -> Iterator[list[int]]:
        """Start, tokens and EOS of each document, or of each piece of those that are rearranged."""
        pieces = [piece for document in documents for piece in self._pieces(document)]
        texts = [cut_parts(document.text, cut, joins=cut is None or self._joins) for document, cut in pieces]
        flat = [text for parts in texts for text in parts]
        encoded = iter(self.tokenizer.encode_batch_fast(flat, add_special_tokens=False))
        normalised = None
        for (document, cut), parts in zip(pieces, texts, strict=True):
            tokens = [next(encoded).ids for _ in parts]
            if document is not normalised and any(map(self._is_normalised, parts, tokens)):
                normalised = document
                self.stat_update(f"normalised_files/{document.metadata['language']}")
            found = arranged(tokens, cut, self.fim.tokens if self.fim else None)
            yield [*self.bounds.start, *found, self.bounds.end]

    def _encode_answer(self, document: Document) -> tuple[list[int], np.ndarray]:
        def encode(text: str, is_spelled: bool) -> list[int]:
            self.tokenizer.encode_special_tokens = not is_spelled
            return self.tokenizer.encode(text, add_special_tokens=False).ids

        parts = parts_of(document.text, document.metadata["cuts"])
        tokens, spans = answer_tokens(parts, encode, *self.bounds)
        self.tokenizer.encode_special_tokens = True
        counts = np.zeros(len(tokens), bool)
        for begin, end in spans:
            counts[begin:end] = True
        return tokens, counts

    def _is_normalised(self, text: str, tokens: list[int]) -> bool:
        """Whether the tokenizer's normaliser has changed a text in a way that its decoder does not undo."""
        normaliser = self.tokenizer.normalizer
        if normaliser is None or normaliser.normalize_str(text) == text:
            return False
        return self.tokenizer.decode(tokens, skip_special_tokens=False) != text

    def _pieces(self, document: Document) -> list[tuple[Document, FimCut | None]]:
        cuts = self.fim.cuts(document.text, document.metadata["path"]) if self.fim else []
        if not cuts:
            return [(document, None)]
        self.stat_update(f"fim_{cuts[0].form}/{document.metadata['language']}")
        return [(document, cut) for cut in cuts]


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        characters += len(document.text)
        if batch and (len(batch) == _BATCH_DOCUMENTS or characters > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], len(document.text)
        batch.append(document)
    if batch:
        yield batch


def document_bounds(tokenizer_folder: Path) -> DocumentBounds:
    """The tokens that begin and close a document; BaseModelError where there is no tokenizer.json or no such token."""
    file = tokenizer_folder / "tokenizer.json"
    if not file.is_file():
        raise BaseModelError(f"{tokenizer_folder}: no tokenizer.json; save the tokenizer with save_pretrained first")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(tokenizer_folder), local_files_only=True)
        token, start = tokenizer.eos_token, start_tokens(tokenizer)
        end = Tokenizer.from_file(str(file)).token_to_id(token) if token else None
    except Exception as error:  # the tokenizers library raises plain Exception
        raise BaseModelError(f"{tokenizer_folder}: not a tokenizer ({error})") from None
    if end is None:
        raise BaseModelError(f"{file}: eos_token is {token!r}, which the vocabulary lacks; documents need an end")
    return DocumentBounds(start, end)
