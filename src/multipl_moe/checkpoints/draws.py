"""Where new weights are drawn from, so that the same seed gives the same checkpoint."""

import hashlib

import torch


def expert_generator(seed: int, layer: int, expert: int, part: str) -> torch.Generator:
    """A random generator of its own for each part of each expert, so that results do not depend on order."""
    digest = hashlib.sha256(f"{seed}/{layer}/{expert}/{part}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
