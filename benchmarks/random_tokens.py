"""A data set of random tokens, for benchmarks whose speed and memory no text changes."""

import torch
from torch.utils.data import Dataset


class RandomTokens(Dataset):
    """Rows of random tokens, as a mixture of one language yields them.

    Args:
        num_rows, row_tokens: shape.
        vocabulary: number of token ids.
    """

    def __init__(self, num_rows: int, row_tokens: int, vocabulary: int) -> None:
        self.rows = torch.randint(vocabulary, (num_rows, row_tokens), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = self.rows[index]
        return {"input_ids": row, "labels": row, "position_ids": torch.arange(len(row))}

    def language_of(self, index: int) -> str:
        """One for all."""
        return "rust"
