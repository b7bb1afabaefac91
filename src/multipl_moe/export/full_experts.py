"""Low-rank experts written out as full ones: the same function, in tensors that need no frozen block beside them."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.export.weights import cast_finite, plan_cast
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of

_LOW_RANK_KEY = re.compile(r"^(?P<prefix>.*layers\.\d+\.mlp\.)experts\.(?P<name>\w+)_(?P<factor>[ab])$")


def with_full_experts(config: MultiplMoeConfig) -> MultiplMoeConfig:
    """The configuration of the model that `plan_full_experts` writes."""
    changed = copy.deepcopy(config)
    changed.moe = replace(config.moe_config, expert_type="full").to_dict()
    return changed


def plan_full_experts(source: Path, config: MultiplMoeConfig, dtype: torch.dtype | None) -> list[TensorPlan]:
    """Every tensor of a hybrid whose experts are low-rank, with full experts W + s B A in place of their factors.

    Sums are taken in float32, one expert in memory at a time. Differences smaller than the precision of a 16-bit
    `dtype` are rounded away, so float32 is what keeps the model's logits to 1e-4.

    Args:
        source: folder of the checkpoint.
        config: its configuration, with `moe.expert_type` "lora".
        dtype: of the result; None keeps each tensor's.
    """
    reader, family = CheckpointReader(source, role="model"), family_of(config.base_config)
    parts = {family.up_name: family.up, "down_proj": (family.down,)}
    plans = []
    for plan in plan_cast(source, dtype):
        key = _LOW_RANK_KEY.match(plan.name)
        if key is None:
            plans.append(plan)
        elif key["factor"] == "b":
            prefix, name = key["prefix"], key["name"]
            num_experts, num_out, _ = plan.shape
            shape = (num_experts, num_out, reader.shapes[f"{prefix}experts.{name}_a"][2])
            pieces = partial(_weights, reader, prefix, name, parts[name], config.moe_config.expert_scale, plan.dtype)
            plans.append(TensorPlan(f"{prefix}experts.{name}", shape, plan.dtype, pieces))
            if family.has_bias(config.base_config):
                pieces = partial(_biases, reader, prefix, parts[name], num_experts, plan.dtype)
                name = f"{prefix}experts.{name}_bias"
                plans.append(TensorPlan(name, (num_experts, num_out), plan.dtype, pieces))
    return plans


def _frozen(reader: CheckpointReader, prefix: str, parts: tuple[str, ...], kind: str) -> Tensor:
    return torch.cat([reader.read(f"{prefix}shared_expert.{part}.{kind}") for part in parts]).float()


def _weights(
    reader: CheckpointReader, prefix: str, name: str, parts: tuple[str, ...], scale: float, dtype: torch.dtype
) -> Iterator[Tensor]:
    frozen = _frozen(reader, prefix, parts, "weight")
    factors = (reader.read(f"{prefix}experts.{name}_{factor}") for factor in "ba")
    for b, a in zip(*factors, strict=True):
        yield cast_finite(f"{prefix}experts.{name}", frozen + scale * (b.float() @ a.float()), dtype)


def _biases(
    reader: CheckpointReader, prefix: str, parts: tuple[str, ...], num_experts: int, dtype: torch.dtype
) -> Iterator[Tensor]:
    bias = cast_finite(f"{prefix}shared_expert bias", _frozen(reader, prefix, parts, "bias"), dtype)
    yield from (bias for _ in range(num_experts))
