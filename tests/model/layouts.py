"""Where the real tokens of a batch lie."""

from collections.abc import Sequence

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
