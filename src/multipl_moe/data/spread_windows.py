"""Samples of a corpus's text that stand for all of it: windows spread evenly over the files of each language."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from multipl_moe.corpus.documents import Split, TextFile, read_documents
from multipl_moe.start_tokens import start_tokens

Turn = tuple[list[int], ...]
"""A window of each language."""

_FILES_AT_A_TIME = 64  # tokens as Python's numbers take some 40 times the memory of their text


def window_turns(
    tokenizer: PreTrainedTokenizerBase, corpus: Path, split: Split, languages: list[str], *, size: int, count: int
) -> list[Turn]:
    """`count` turns of one window of at most `size` tokens of each language, or as many as the longest has windows.

    Windows are spread over the files in the order of their paths, as far apart as they can be: neighbouring files are
    alike, and what is drawn at random would hold some parts of a library twice and others not at all.
    """
    by_language = [_windows(tokenizer, read_documents(corpus, split, name), size) for name in languages]
    count = min(count, max(map(len, by_language)))
    return list(zip(*(_spread(windows, size, count) for windows in by_language), strict=True))


def padded(rows: Sequence[list[int]]) -> dict[str, Tensor]:
    """Inputs of a model: input_ids and attention_mask (B, T), padded on the right."""
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows]),
    }


def padded_batches(rows: Sequence[list[int]], size: int) -> list[dict[str, Tensor]]:
    """`padded`, of so many rows at a time."""
    return [padded(rows[begin : begin + size]) for begin in range(0, len(rows), size)]


_Window = tuple[np.ndarray, int]
"""Tokens of a file, and where in them it begins."""


def _windows(tokenizer: PreTrainedTokenizerBase, files: list[TextFile], size: int) -> list[_Window]:
    """The windows that files are cut into, in the order of their paths."""
    ordered, start = sorted(files, key=lambda file: file.path), start_tokens(tokenizer)
    texts = [
        np.array([*start, *tokens], np.int32)
        for first in range(0, len(ordered), _FILES_AT_A_TIME)
        for tokens in tokenizer(
            [file.text for file in ordered[first : first + _FILES_AT_A_TIME]], add_special_tokens=False
        )["input_ids"]
    ]
    return [(tokens, begin) for tokens in texts for begin in range(0, len(tokens), size)]


def _spread(windows: list[_Window], size: int, count: int) -> list[list[int]]:
    """`count` of the windows, evenly spread over all of them, as training text is.

    Beginnings of files, or as many windows from each file however long it is, would hold more comments and imports, and
    routers treat these differently.
    """
    chosen = [windows[number * len(windows) // count] for number in range(count)]
    return [tokens[begin : begin + size].tolist() for tokens, begin in chosen]
