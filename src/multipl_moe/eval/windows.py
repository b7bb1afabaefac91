"""Texts in windows that a model reads at once: each token but the first is scored exactly once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from multipl_moe.model.decoder import require_hybrid


@dataclass(frozen=True)
class Window:
    """Tokens that go through the model at once.

    Attributes:
        text: place of the text that they are of.
        first_scored: tokens from this one on count; at least 1, for the first has nothing before it.
    """

    text: int
    tokens: list[int]
    first_scored: int

    @property
    def scored(self) -> list[int]:
        """Those that count."""
        return self.tokens[self.first_scored :]


def windows_of(text: int, tokens: list[int], start: list[int], size: int) -> Iterator[Window]:
    """Windows that score each token once, half a window at a time after the first; each begins as texts begin.

    `text` is its place; the `start` of its tokens, with which every text begins (`start_tokens`), is not scored.
    """
    num_before = max(len(start), 1)
    if len(tokens) <= num_before:
        return
    yield Window(text, tokens[:size], num_before)
    stride = max(size // 2, 1)
    scored = min(size, len(tokens))
    while scored < len(tokens):
        end = min(scored + stride, len(tokens))
        begin = max(end - (size - len(start)), len(start))
        yield Window(text, [*start, *tokens[begin:end]], len(start) + scored - begin)
        scored = end


def batches(windows: Sequence[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Windows of like length together, at most `batch_tokens` with padding (a single longer one goes alone)."""
    batch: list[Window] = []
    for window in sorted(windows, key=lambda window: -len(window.tokens)):
        if batch and len(batch[0].tokens) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def scored_logits(
    model: torch.nn.Module,
    batch: Sequence[Window],
    open_share: float | Tensor | None = None,
    *,
    reads_prompts: bool = False,
) -> list[Tensor]:
    """For each window, padded on the right to one length, the (N, V) logits that foresee its N scored tokens.

    Args:
        open_share: opens (1) or shuts (0) a hybrid's domain gate; None leaves that to the gate.
        reads_prompts: let a hybrid's gates first read all that stands before the scored tokens, as `generate` does.
    """
    device = next(model.parameters()).device
    texts = [torch.tensor(window.tokens, device=device) for window in batch]
    mask = pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)
    input_ids = pad_sequence(texts, batch_first=True)
    told: dict[str, Any] = {} if open_share is None else {"open_share": open_share}
    if reads_prompts:
        told["prompt_share"] = _prompt_share(model, input_ids, [window.first_scored for window in batch])
    logits = model(input_ids=input_ids, attention_mask=None if mask.all() else mask, use_cache=False, **told).logits
    return [logits[row, window.first_scored - 1 : len(window.tokens) - 1] for row, window in enumerate(batch)]


def _prompt_share(model: torch.nn.Module, input_ids: Tensor, lengths: list[int]) -> Tensor | None:
    """As from `read_prompt` for rows whose prompts are so long; what comes after a prompt is not known yet: NaN."""
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    in_prompt = places < torch.tensor(lengths, device=input_ids.device)[:, None]
    share = require_hybrid(model).read_prompt(input_ids, in_prompt.long())
    return None if share is None else share.masked_fill(~in_prompt[..., None], nan)
