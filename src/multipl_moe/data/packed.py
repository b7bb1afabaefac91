"""Training sequences: the packed tokens of one language as rows of T places."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from multipl_judge.languages.answers import are_answers
from multipl_moe.corpus.documents import tokens_path
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.data.packing import PACKINGS, BestFitLayout, Layout, Packing, PackingCounts, WindowLayout
from multipl_moe.errors import CorpusError
from multipl_moe.model.documents import IGNORED_LABEL, PADDING_POSITION

_PADDING_TOKEN = 0


class PackedTokens(Dataset[dict[str, Tensor]]):
    """The sequences of T places that the tokens of one language are packed into.

    Args:
        folder: of `TokenFiles`.
        sequence_tokens: T, at least 2.
        packing: `windows` cuts all tokens every T tokens (`WindowLayout`), `best_fit` only documents longer than T, and
            `whole` leaves these out (`BestFitLayout`).

    Attributes:
        counts: what the packing makes of the tokens.

    Raises:
        CorpusError: no such files, broken ones, or too few tokens for one window.
    """

    def __init__(self, folder: Path, sequence_tokens: int, packing: Packing = "windows") -> None:
        self.folder, self.sequence_tokens = folder, sequence_tokens
        self.packing: Packing = packing
        self._files = TokenFiles(folder)
        self._layout = _lay_out(self._files, sequence_tokens, packing)
        self.counts: PackingCounts = self._layout.counts
        if len(self) == 0:
            raise CorpusError(
                f"{folder}: {self.counts.tokens} tokens are less than one sequence of {sequence_tokens}; "
                "lower train.sequence_tokens or add files"
                if packing != "whole"
                else f"{folder}: every answer is longer than a sequence of {sequence_tokens} tokens; raise "
                "train.sequence_tokens"
            )

    @property
    def sha256(self) -> str:
        """Hash of the documents' places; with packing and T it decides what each sequence holds."""
        return self._files.sha256

    def __len__(self) -> int:
        return self.counts.sequences

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One sequence.

        Returns:
            input_ids (T,); position_ids (T,), 0 at the first token of each document or part of one, and
            `PADDING_POSITION` where padding is; labels (T,), the input ids with -100 where nothing before a token in
            the same document is in the sequence, at padding, and in answers at what does not count in the loss.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        input_ids = np.full(self.sequence_tokens, _PADDING_TOKEN, np.int64)
        position_ids = np.full(self.sequence_tokens, PADDING_POSITION, np.int64)
        counts = np.zeros(self.sequence_tokens, bool)
        begin = 0
        for start, length in zip(*map(np.ndarray.tolist, self._layout.pieces(index)), strict=True):
            input_ids[begin : begin + length] = self._files.read(start, length)
            position_ids[begin : begin + length] = np.arange(length)
            counts[begin : begin + length] = self._files.counted(start, length)
            begin += length
        labels = np.where((position_ids > 0) & counts, input_ids, IGNORED_LABEL)
        arrays = {"input_ids": input_ids, "position_ids": position_ids, "labels": labels}
        return {key: torch.from_numpy(array) for key, array in arrays.items()}

    def num_tokens(self, sequences_N: np.ndarray) -> np.ndarray:
        """(N,) tokens in each of these sequences, padding left out."""
        return self._layout.num_tokens(sequences_N)

    def __reduce__(self) -> tuple[type, tuple[Path, int, Packing]]:
        """Workers that are not forked open the files again rather than receive their content."""
        return PackedTokens, (self.folder, self.sequence_tokens, self.packing)


def packing_by_language(corpus: Path, sequence_tokens: int) -> dict[str, dict[Packing, PackingCounts]]:
    """What each packing would make of each language's tokens, none of which is read; answers have one of their own."""
    counts: dict[str, dict[Packing, PackingCounts]] = {}
    for language in CorpusManifest.load(corpus).languages:
        files = TokenFiles(tokens_path(corpus, language))
        packings: Sequence[Packing] = ["whole"] if are_answers(language) else PACKINGS
        counts[language] = {packing: _lay_out(files, sequence_tokens, packing).counts for packing in packings}
    return counts


def _lay_out(files: TokenFiles, sequence_tokens: int, packing: Packing) -> Layout:
    if packing == "windows":
        return WindowLayout(files.document_ends, files.file_ends, sequence_tokens)
    return BestFitLayout(files.document_ends, sequence_tokens, cuts=packing != "whole")
