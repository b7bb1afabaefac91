"""FSDP2: every process holds a part of each weight, of its gradient and of its optimiser state.

torch's own `fully_shard` is applied to the model before the Trainer sees it, as accelerate's FSDP silently does nothing
on CPUs and could not be tested there.
"""

from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import Shard
from torch.optim import Optimizer
from transformers import PreTrainedModel

from multipl_moe.model.experts import LoraExperts
from multipl_moe.model.gated import GatedBlock
from multipl_moe.model.hybrid import HybridMoe

_TRAINED_ONLY = StateDictOptions(ignore_frozen_params=True)


def shard(model: PreTrainedModel, dtype: torch.dtype = torch.float32) -> None:
    """Divide the weights of a model over all processes, in place; gradients are averaged over them.

    Units that are gathered and freed together: in a hybrid layer the experts, the frozen shared expert, and the routers
    with the start vector (all three in one where experts compute with the shared expert's weights); of each decoder
    layer the rest; of the model the rest (embeddings, last norm, head). Where training computes in bfloat16 (`dtype`),
    the feed-forward block of a dense layer is a unit too.

    What is divided keeps its dtype: float32 of all that learns. Experts and feed-forward blocks are gathered in the
    dtype that autocast casts them to anyway, with half the bytes and no copy; their gradients are added up in float32.
    All else is gathered as it is, as autocast leaves some of it alone: norms, embeddings, start vectors.
    """
    policy, decoder = _policy(dtype), cast(Any, model.get_decoder())
    for layer in decoder.layers:
        for block in _feed_forward_blocks(layer.mlp, dtype):
            fully_shard(block, mp_policy=policy, shard_placement_fn=_placement)
        if isinstance(layer.mlp, HybridMoe):
            fully_shard(layer.mlp, shard_placement_fn=_placement)
        fully_shard(layer, shard_placement_fn=_placement)
    fully_shard(model, shard_placement_fn=_placement)


def _policy(dtype: torch.dtype) -> MixedPrecisionPolicy:
    """Weights gathered in `dtype`, gradients reduced in float32. Inputs are left to autocast, which casts them later
    than the policy would: gradients of tokens that meet in an expert's input are added up in the input's dtype."""
    if dtype == torch.float32:
        return MixedPrecisionPolicy()
    return MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)


def _feed_forward_blocks(block: nn.Module, dtype: torch.dtype) -> tuple[nn.Module, ...]:
    """The parts of a decoder layer's `mlp` that are units, in which autocast casts every weight."""
    if isinstance(block, HybridMoe):
        return () if isinstance(block.experts, LoraExperts) else (block.experts, block.shared_expert)
    if isinstance(block, GatedBlock):
        return (*block.experts.values(), block.shared_expert)
    owners = (module for module in block.modules() if module._parameters)
    return (block,) if dtype != torch.float32 and all(isinstance(owner, nn.Linear) for owner in owners) else ()


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` divided the model."""
    return isinstance(model, FSDPModule)


def full_weights(model: nn.Module) -> dict[str, Any]:
    """All weights and buffers of a sharded model, whole, in memory of the main process; empty in the others.

    Every process must call it.
    """
    return cast(dict, get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)))


def save_sharded(model: nn.Module, optimizer: Optimizer, folder: Path) -> None:
    """Write what training changes: each process its part of the trained weights, buffers and optimiser state.

    It is a folder of torch.distributed.checkpoint, which any number of processes can read. Every process must call it.
    """
    weights, state = get_state_dict(model, optimizer, options=_TRAINED_ONLY)
    state_dict_saver.save({"model": weights, "optimizer": state}, checkpoint_id=folder)


def load_sharded(model: nn.Module, optimizer: Optimizer, folder: Path) -> None:
    """Read `save_sharded`'s folder into a model and its optimiser, sharded over as many processes or not at all."""
    weights, state = get_state_dict(model, optimizer, options=_TRAINED_ONLY)
    saved = {"model": weights, "optimizer": state}
    state_dict_loader.load(saved, checkpoint_id=folder, no_dist=not dist.is_initialized())
    options = StateDictOptions(ignore_frozen_params=True, strict=False)
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=state, options=options)


def _placement(parameter: nn.Parameter) -> Shard:
    """The first dimension that the processes can share evenly; else the first, unevenly.

    There are often fewer experts than processes; then each takes a part of every expert.
    """
    even = (dim for dim, size in enumerate(parameter.shape) if size % dist.get_world_size() == 0)
    return Shard(next(even, 0))
