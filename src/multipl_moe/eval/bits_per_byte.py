"""Bits per byte of a causal language model on files: comparable between tokenizers, lower is better."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from multipl_moe.corpus.documents import TextFile
from multipl_moe.recipe.evaluation import EvalSection
from multipl_moe.start_tokens import start_tokens


@dataclass(frozen=True)
class FileScore:
    """What a model needs for one file.

    Attributes:
        path: the file's.
        bits: negative log2 likelihood of the scored text.
        num_bytes: UTF-8 bytes of the scored text: all of it where the tokenizer begins texts with a token of its own,
            else all but the first token, which has nothing before it.
        num_tokens: scored tokens.
    """

    path: str
    bits: float
    num_bytes: int
    num_tokens: int


@dataclass(frozen=True)
class _Window:
    """Tokens of a file that go through the model at once; those from `first_scored` on count."""

    file: int
    tokens: list[int]
    first_scored: int


def bits_per_byte(scores: list[FileScore]) -> float:
    """Bits of all files over bytes of all files."""
    return sum(score.bits for score in scores) / sum(score.num_bytes for score in scores)


@torch.no_grad()
def score_files(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, files: list[TextFile], settings: EvalSection
) -> list[FileScore]:
    """Score each file, cut at `settings.tokens_per_file`; every token but the first is scored exactly once.

    The first is the one that the tokenizer begins texts with, where it does: then all of the file's own are scored.
    Longer files than `settings.window_tokens` are read in windows that overlap by half, so that each scored token has
    at least half a window before it. Files without a token to score are left out. The model is in evaluation mode, and
    its tokenizer gives character offsets.
    """
    start = start_tokens(tokenizer)
    num_before = max(len(start), 1)
    encoded = [_encode(tokenizer, start, file.text, settings.tokens_per_file) for file in files]
    windows = [
        window
        for index, (tokens, _) in enumerate(encoded)
        for window in _windows(index, tokens, start, settings.window_tokens)
    ]
    nats = [0.0] * len(files)
    for batch in _batches(windows, settings.batch_tokens):
        for window, value in zip(batch, _score_batch(model, batch), strict=True):
            nats[window.file] += value
    return [
        FileScore(file.path, value / math.log(2), num_bytes, len(tokens) - num_before)
        for file, value, (tokens, num_bytes) in zip(files, nats, encoded, strict=True)
        if num_bytes > 0
    ]


def _encode(tokenizer: PreTrainedTokenizerBase, start: list[int], text: str, max_tokens: int) -> tuple[list[int], int]:
    """Tokens of a text, after those that begin any, and the bytes of those that are scored."""
    length = max_tokens - len(start)
    encoding = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, truncation=True, max_length=length
    )
    tokens, offsets = [*start, *encoding["input_ids"]], encoding["offset_mapping"]
    if not offsets:
        return tokens, 0
    begin = 0 if start else offsets[0][1]
    return tokens, len(text[begin : offsets[-1][1]].encode())


def _windows(file: int, tokens: list[int], start: list[int], size: int) -> Iterator[_Window]:
    """Windows that score each token once, half a window at a time after the first; each begins as texts begin."""
    num_before = max(len(start), 1)
    if len(tokens) <= num_before:
        return
    yield _Window(file, tokens[:size], num_before)
    stride = max(size // 2, 1)
    scored = min(size, len(tokens))
    while scored < len(tokens):
        end = min(scored + stride, len(tokens))
        begin = max(end - (size - len(start)), len(start))
        yield _Window(file, [*start, *tokens[begin:end]], len(start) + scored - begin)
        scored = end


def _batches(windows: list[_Window], batch_tokens: int) -> Iterator[list[_Window]]:
    """Windows of like length together, at most `batch_tokens` with padding (a single longer one goes alone)."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: -len(window.tokens)):
        if batch and len(batch[0].tokens) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _score_batch(model: torch.nn.Module, batch: list[_Window]) -> list[float]:
    """Nats of the scored tokens of each window."""
    device = next(model.parameters()).device
    texts = [torch.tensor(window.tokens, device=device) for window in batch]
    mask = pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)
    input_ids = pad_sequence(texts, batch_first=True)
    logits = model(input_ids=input_ids, attention_mask=None if mask.all() else mask, use_cache=False).logits
    return [
        F.cross_entropy(
            logits[row, window.first_scored - 1 : len(text) - 1].float(), text[window.first_scored :], reduction="sum"
        ).item()
        for row, (window, text) in enumerate(zip(batch, texts, strict=True))
    ]
