"""Where the real tokens of a batch lie."""

from collections.abc import Sequence

import torch
from torch import Tensor


def lay_out(rows: Sequence[tuple[int, Sequence[int]]], length: int = 1, garbage: int = 0) -> tuple[Tensor, Tensor]:
    """Position ids and mask of rows of (padding on the left, document lengths), filled up on the right."""
    length = max(length, *(left + sum(documents) for left, documents in rows))
    positions, mask = torch.full((len(rows), length), garbage), torch.zeros(len(rows), length, dtype=torch.long)
    for row, (left, documents) in enumerate(rows):
        inner = torch.cat([torch.arange(0), *(torch.arange(document) for document in documents)])
        positions[row, left : left + len(inner)] = inner
        mask[row, left : left + len(inner)] = 1
    return positions, mask
