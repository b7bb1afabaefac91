"""Where the real tokens of a batch lie, and what a model says of them in chunks, from a growing cache."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.conftest import random_tokens


def left_padded(lengths: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
    """Tokens and mask of rows of these lengths, with padding on the left."""
    longest = max(lengths)
    mask = torch.stack([(torch.arange(longest) >= longest - length).long() for length in lengths])
    return random_tokens(len(lengths), longest, seed) * mask, mask


def lay_out(rows: Sequence[tuple[int, Sequence[int]]], length: int = 1, garbage: int = 0) -> tuple[Tensor, Tensor]:
    """Position ids and mask of rows of (padding on the left, document lengths), filled up on the right."""
    length = max(length, *(left + sum(documents) for left, documents in rows))
    positions, mask = torch.full((len(rows), length), garbage), torch.zeros(len(rows), length, dtype=torch.long)
    for row, (left, documents) in enumerate(rows):
        inner = torch.cat([torch.arange(0), *(torch.arange(document) for document in documents)])
        positions[row, left : left + len(inner)] = inner
        mask[row, left : left + len(inner)] = 1
    return positions, mask


@torch.no_grad()
def logits_in_chunks(
    model: Any, tokens: Tensor, sizes: Sequence[int] = (1,), mask: Tensor | None = None, **told: Any
) -> Tensor:
    """(B, T, V) logits of (B, T) tokens in chunks of these sizes, of which the last one repeats."""
    logits, cache, begin, size, rest = [], None, 0, 1, iter(sizes)
    while begin < tokens.shape[1]:
        size = next(rest, size)
        end = begin + size
        seen = None if mask is None else mask[:, :end]
        output = model(tokens[:, begin:end], attention_mask=seen, cache=cache, use_cache=True, **told)
        logits.append(output.logits)
        cache, begin = output.cache, end
    return torch.cat(logits, dim=1)
