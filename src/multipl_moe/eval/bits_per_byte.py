"""Bits per byte of a causal language model on files: comparable between tokenizers, lower is better."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from multipl_judge.languages.answers import parts_of
from multipl_moe.corpus.answers import tokenised_answer
from multipl_moe.corpus.documents import TextFile
from multipl_moe.errors import BaseModelError
from multipl_moe.eval.windows import Window, batches, scored_logits, windows_of
from multipl_moe.recipe.evaluation import EvalSection
from multipl_moe.start_tokens import start_tokens


@dataclass(frozen=True)
class FileScore:
    """What a model needs for one file: negative log2 likelihood, UTF-8 bytes and tokens of the scored text.

    That is all of it where the tokenizer begins texts with a token of its own, else all but the first token, which has
    nothing before it; of an answer its completions.
    """

    path: str
    bits: float
    num_bytes: int
    num_tokens: int


def bits_per_byte(scores: list[FileScore]) -> float:
    """Bits of all files over bytes of all files."""
    return sum(score.bits for score in scores) / sum(score.num_bytes for score in scores)


@torch.no_grad()
def score_files(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    files: list[TextFile],
    settings: EvalSection,
    open_share: float | Tensor | None = None,
) -> list[FileScore]:
    """Score each file, cut at `settings.tokens_per_file`; every token but the first is scored exactly once.

    The first is the one that the tokenizer begins texts with, where it does: then all of the file's own are scored.
    Longer files than `settings.window_tokens` are read in windows that overlap by half, so that each scored token has
    at least half a window before it. Of answers the completions alone are scored, whole and without the token that ends
    them, with all that is before; those that end beyond a window or the cut are left out. Files without a token to
    score are left out. The model is in evaluation mode, and its tokenizer gives character offsets. `open_share` is for
    a hybrid that is told what files are (`scored_logits`).
    """
    start = start_tokens(tokenizer)
    read = [_read(tokenizer, start, index, file, settings) for index, file in enumerate(files)]
    nats = [0.0] * len(files)
    for batch in batches([window for windows, _ in read for window in windows], settings.batch_tokens):
        for window, logits in zip(batch, scored_logits(model, batch, open_share), strict=True):
            tokens = torch.tensor(window.scored, device=logits.device)
            nats[window.text] += F.cross_entropy(logits.float(), tokens, reduction="sum").item()
    if damaged := [file.path for file, value in zip(files, nats, strict=True) if not math.isfinite(value)]:
        raise BaseModelError(f"model: its bits per byte of {damaged[0]} are no number; what it computes is not finite")
    return [
        FileScore(file.path, value / math.log(2), num_bytes, sum(len(window.scored) for window in windows))
        for file, value, (windows, num_bytes) in zip(files, nats, read, strict=True)
        if num_bytes > 0
    ]


def _read(
    tokenizer: PreTrainedTokenizerBase, start: list[int], index: int, file: TextFile, settings: EvalSection
) -> tuple[list[Window], int]:
    """The windows of a file, and the bytes that they score."""
    if not file.cuts:
        tokens, num_bytes = encode(tokenizer, start, file.text, settings.tokens_per_file)
        return list(windows_of(index, tokens, start, settings.window_tokens)), num_bytes
    parts = parts_of(file.text, file.cuts)
    tokens, spans = tokenised_answer(tokenizer, parts)
    longest = min(settings.window_tokens, settings.tokens_per_file)
    scored = [
        (Window(index, tokens[: end - 1], begin), len(completion.encode()))
        for (begin, end), completion in zip(spans, parts[1::2], strict=True)
        if 0 < begin < end - 1 <= longest
    ]
    return [window for window, _ in scored], sum(size for _, size in scored)


def encode(tokenizer: PreTrainedTokenizerBase, start: list[int], text: str, max_tokens: int) -> tuple[list[int], int]:
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
