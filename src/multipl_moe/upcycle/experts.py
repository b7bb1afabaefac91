"""Making experts differ from the feed-forward block that they are copied from.

Identical copies under different routers drift apart by themselves, but slowly; noise and partial re-initialisation
(Drop-Upcycling, Nakamura et al., ICLR 2025) start them apart, at the price of not starting exactly at the base.
"""

import torch
from torch import Tensor


def dropped_units(intermediate_size: int, reinit: float, generator: torch.Generator) -> Tensor:
    """Indices of the round(reinit * I) intermediate units of an expert that start anew, the same for all its parts."""
    return torch.randperm(intermediate_size, generator=generator)[: round(reinit * intermediate_size)]


def reinitialize_units(weight: Tensor, units: Tensor, dim: int, generator: torch.Generator) -> Tensor:
    """A copy of `weight` whose slices `units` along `dim` are drawn from a normal distribution of their own statistics.

    Args:
        weight: one matrix (or bias) of the block.
        units: indices along `dim`.
        dim: 0 where intermediate units are rows (gate, up), 1 where they are columns (down).
        generator: source of the values.
    """
    if not len(units):
        return weight
    chosen = weight.index_select(dim, units).float()
    std = chosen.std() if chosen.numel() > 1 else torch.zeros(())
    fresh = torch.randn(chosen.shape, generator=generator) * std + chosen.mean()
    return weight.index_copy(dim, units, fresh.to(weight.dtype))


def add_noise(weight: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """`weight` plus Gaussian noise of `noise` times its standard deviation."""
    if noise == 0:
        return weight
    drawn = torch.randn(weight.shape, generator=generator) * (noise * weight.float().std())
    return (weight.float() + drawn).to(weight.dtype)
