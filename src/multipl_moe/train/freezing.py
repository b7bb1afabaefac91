"""What a run trains, and the proof that the rest stayed as it was."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from multipl_moe.errors import FrozenParameterError


@dataclass(frozen=True)
class TrainableParameters:
    """How many parameters train, by group, and how many stay frozen."""

    trained: dict[str, int]
    frozen: int

    @property
    def num_trained(self) -> int:
        """All trained parameters."""
        return sum(self.trained.values())


def freeze_all_but(model: nn.Module, trained: Collection[str], groups: Mapping[str, str]) -> TrainableParameters:
    """Freeze every parameter that is not named, and hold what trains in float32 (master weights).

    Frozen weights keep the checkpoint's dtype, so nothing of them is rounded or cast.

    Args:
        trained: names of the parameters that learn.
        groups: title of each group and the part of a name that tells it; the first one fits.
    """
    counts = dict.fromkeys(groups, 0)
    frozen = 0
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
        if name not in trained:
            frozen += parameter.numel()
            continue
        parameter.data = parameter.data.float()
        group = next(group for group, part in groups.items() if part in name)
        counts[group] += parameter.numel()
    return TrainableParameters({group: count for group, count in counts.items() if count}, frozen)


def frozen_hashes(model: nn.Module) -> dict[str, str]:
    """SHA-256 of the bytes of every frozen parameter, by name."""
    return {
        name: hashlib.sha256(_bytes(parameter)).hexdigest()
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad
    }


def verify_frozen(model: nn.Module, before: dict[str, str]) -> str:
    """Check that no frozen parameter changed by a single bit; returns `hash_of` them.

    Raises:
        FrozenParameterError: some did.
    """
    after = frozen_hashes(model)
    if changed := [name for name, digest in before.items() if after.get(name) != digest]:
        raise FrozenParameterError(f"{len(changed)} frozen parameters changed during training, first {changed[0]}")
    return hash_of(after)


def hash_of(hashes: Mapping[str, str]) -> str:
    """One hash over those of `frozen_hashes`, for the record."""
    return hashlib.sha256("".join(f"{name}{digest}" for name, digest in sorted(hashes.items())).encode()).hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data
