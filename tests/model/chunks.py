"""What a model says of tokens that come in chunks, from a growing cache."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


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
