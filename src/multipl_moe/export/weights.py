"""A checkpoint's weights in another dtype and other shards, a tensor at a time."""

from collections import Counter
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.errors import OutputError
from multipl_moe.model.float32_buffers import stays_float32


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
        plans.append(TensorPlan(name, shape, target, partial(_cast, reader, name, target)))
    return plans


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
            f"dtype: {str(dtype).removeprefix('torch.')} cannot hold {name} (values up to {value.abs().max():.3g}); "
            "use bfloat16 or float32"
        )
    return cast


def _cast(reader: CheckpointReader, name: str, dtype: torch.dtype) -> list[Tensor]:
    return [cast_finite(name, reader.read(name), dtype)]
