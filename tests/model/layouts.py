"""Where the real tokens of a batch lie, what models say of them in chunks from a growing cache, and learn."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.conftest import random_tokens

GREEDY: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}


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


def gradients_of(model: Any) -> dict[str, Tensor]:
    """Of the parameters that have one, by name."""
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def step_in_place(model: Any, tokens: Tensor) -> Tensor:
    """The loss of a step whose optimiser leaves the weights as they are; what routers choose by follows it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.zero_grad()
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    optimizer.step()
    return loss.detach()
