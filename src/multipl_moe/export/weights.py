"""A checkpoint's weights in another dtype and other shards, a tensor at a time; low-rank experts as full ones."""

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.errors import OutputError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.families import family_of
from multipl_moe.model.float32_buffers import stays_float32
from multipl_moe.system.device import dtype_name

_EXPERT_KEY = re.compile(r"^(?P<prefix>.*layers\.\d+\.mlp\.)experts\.")


def plan_cast(source: Path, dtype: torch.dtype | None) -> list[TensorPlan]:
    """Every tensor of a checkpoint, to be written in `dtype`; segment thresholds stay float32, as modeling loads them.

    With None for `dtype` each stays as it is stored. Raises BaseModelError where the checkpoint cannot be read or holds
    other types than float32, bfloat16 and float16.
    """
    reader = CheckpointReader(source, role="model")
    plans = []
    for name, shape in reader.shapes.items():
        stored = reader.dtype(name)
        target = torch.float32 if stays_float32(name) else dtype or stored
        target = target if stored.is_floating_point else stored
        plans.append(cast_plan(name, shape, target, partial(reader.read, name)))
    return plans


def cast_plan(name: str, shape: tuple[int, ...], dtype: torch.dtype, value: Callable[[], Tensor]) -> TensorPlan:
    """A tensor to write in a dtype whose `value` is made when its turn comes; writing it raises as `cast_finite`."""
    return TensorPlan(name, shape, dtype, lambda: [cast_finite(name, value(), dtype)])


def main_dtype(plans: list[TensorPlan]) -> torch.dtype:
    """The dtype of most of the bytes: that of the model."""
    num_bytes: Counter[torch.dtype] = Counter()
    for plan in (plan for plan in plans if plan.dtype.is_floating_point):
        num_bytes[plan.dtype] += plan.num_bytes
    return num_bytes.most_common(1)[0][0]


def cast_finite(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in another dtype; raises OutputError, which names it, where a finite value would become infinite."""
    cast = value.to(dtype)
    if not value.is_floating_point():
        return cast
    if torch.finfo(dtype).max < torch.finfo(value.dtype).max and bool((cast.isinf() & ~value.isinf()).any()):
        raise OutputError(
            f"dtype: {dtype_name(dtype)} cannot hold {name} (values up to {value.abs().max():.3g}); "
            "use bfloat16 or float32"
        )
    return cast


def plan_full_experts(
    source: Path, config: MultiplMoeConfig, dtype: torch.dtype | None
) -> tuple[list[TensorPlan], MultiplMoeConfig]:
    """A hybrid whose routers choose among low-rank experts, with full ones, W + s B A: its tensors and configuration.

    Sums are taken in float32, one expert in memory at a time. Differences smaller than the precision of a 16-bit
    `dtype` are rounded away, so float32 is what keeps the model's logits to 1e-4.

    Args:
        dtype: of the result; None keeps each tensor's.
    """
    plans, dtypes = [], {}
    for plan in plan_cast(source, dtype):
        if key := _EXPERT_KEY.match(plan.name):
            dtypes[key["prefix"]] = plan.dtype
        else:
            plans.append(plan)
    reader, moe, family = CheckpointReader(source, role="model"), config.moe_config, family_of(config.base_config)

    def experts(prefix: str, parts: tuple[str, ...], kind: str, name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        of_parts = []
        for part in parts:
            frozen = reader.read(f"{prefix}shared_expert.{part}.{kind}").float()
            differences = EXPERT_KINDS[moe.experts.type].differences(
                reader.read, prefix, part, kind, frozen, family, moe
            )
            of_parts.append(map(frozen.add, differences))
        for of_expert in zip(*of_parts, strict=True):
            yield from (cast_finite(name, whole, dtype) for whole in of_expert)

    for prefix, of_layer in dtypes.items():
        for matrix, parts in ((family.up_name, family.up), ("down_proj", (family.down,))):
            for kind in ("weight", "bias") if family.has_bias(config.base_config) else ("weight",):
                name = f"{prefix}experts.{matrix}" + ("_bias" if kind == "bias" else "")
                shapes = [reader.shapes[f"{prefix}shared_expert.{part}.{kind}"] for part in parts]
                shape = (moe.num_trained_experts, sum(rows for rows, *_ in shapes), *shapes[0][1:])
                pieces = partial(experts, prefix, parts, kind, name, of_layer)
                plans.append(TensorPlan(name, shape, of_layer, pieces))
    full = copy.deepcopy(config)
    full.moe = replace(moe, experts=replace(moe.experts, type="full")).to_dict()
    return plans, full


def in_neighbouring_order(key: str, values: Tensor, config: PreTrainedConfig) -> Tensor:
    """Rows of q or k so that the two that rotary embedding turns together, half a head apart, become neighbours.

    Other tensors, by their `key`, stay as they are.
    """
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    num_heads = next((heads[part] for part in key.split(".") if part in heads), None)
    if num_heads is None:
        return values
    return values.unflatten(0, (num_heads, 2, -1)).transpose(1, 2).reshape(values.shape)
