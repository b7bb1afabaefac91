"""Experts of another kind written out as full ones: the same function, needing no frozen block beside them."""

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
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.families import family_of

_EXPERT_KEY = re.compile(r"^(?P<prefix>.*layers\.\d+\.mlp\.)experts\.")


def with_full_experts(config: MultiplMoeConfig) -> MultiplMoeConfig:
    """The configuration of the model that `plan_full_experts` writes."""
    changed, moe = copy.deepcopy(config), config.moe_config
    changed.moe = replace(moe, experts=replace(moe.experts, type="full")).to_dict()
    return changed


def plan_full_experts(source: Path, config: MultiplMoeConfig, dtype: torch.dtype | None) -> list[TensorPlan]:
    """Every tensor of a hybrid whose routers choose among low-rank experts, with full ones, W + s B A, in their place.

    Sums are taken in float32, one expert in memory at a time. Differences smaller than the precision of a 16-bit
    `dtype` are rounded away, so float32 is what keeps the model's logits to 1e-4.

    Args:
        dtype: of the result; None keeps each tensor's.
    """
    writer, plans, dtypes = _Writer(source, config), [], {}
    for plan in plan_cast(source, dtype):
        if key := _EXPERT_KEY.match(plan.name):
            dtypes[key["prefix"]] = plan.dtype
        else:
            plans.append(plan)
    return plans + [plan for prefix, of_layer in dtypes.items() for plan in writer.of_layer(prefix, of_layer)]


class _Writer:
    def __init__(self, source: Path, config: MultiplMoeConfig) -> None:
        self.reader, self.moe = CheckpointReader(source, role="model"), config.moe_config
        self.family = family_of(config.base_config)
        self.kinds = ("weight", "bias") if self.family.has_bias(config.base_config) else ("weight",)

    def of_layer(self, prefix: str, dtype: torch.dtype) -> Iterator[TensorPlan]:
        for name, parts in ((self.family.up_name, self.family.up), ("down_proj", (self.family.down,))):
            for kind in self.kinds:
                shapes = [self.reader.shapes[f"{prefix}shared_expert.{part}.{kind}"] for part in parts]
                shape = (self.moe.num_trained_experts, sum(rows for rows, *_ in shapes), *shapes[0][1:])
                full_name = f"{prefix}experts.{name}" + ("_bias" if kind == "bias" else "")
                yield TensorPlan(full_name, shape, dtype, partial(self._experts, prefix, parts, kind, full_name, dtype))

    def _experts(
        self, prefix: str, parts: tuple[str, ...], kind: str, name: str, dtype: torch.dtype
    ) -> Iterator[Tensor]:
        of_kind, of_parts = EXPERT_KINDS[self.moe.experts.type], []
        for part in parts:
            frozen = self.reader.read(f"{prefix}shared_expert.{part}.{kind}").float()
            differences = of_kind.differences(self.reader.read, prefix, part, kind, frozen, self.family, self.moe)
            of_parts.append(map(frozen.add, differences))
        for of_expert in zip(*of_parts, strict=True):
            yield from (cast_finite(name, whole, dtype) for whole in of_expert)
