"""What follows from a recipe, the machine and the number of processes: steps, precision, attention, distribution."""

from typing import Literal

import torch
from transformers import PreTrainedModel

from multipl_moe.attention import fastest_attention
from multipl_moe.errors import ConfigError
from multipl_moe.launch import num_processes
from multipl_moe.recipe import Recipe


def tokens_per_step(recipe: Recipe) -> int:
    """Tokens of an optimiser step, over all processes."""
    train = recipe.train
    return train.sequence_tokens * train.batch_sequences * train.accumulation_steps * num_processes()


def training_steps(recipe: Recipe) -> int:
    """Optimiser steps that cover the recipe's tokens, at least one."""
    return max(round(recipe.train.tokens / tokens_per_step(recipe)), 1)


def distribution(recipe: Recipe) -> Literal["one", "ddp", "fsdp2"]:
    """How processes share the work: `one` is alone, each has a whole model (`ddp`), or each a part of it (`fsdp2`).

    Raises:
        ConfigError: what the recipe asks for would not be used.
    """
    wanted, torchrun = recipe.train.distribution, "torchrun --nproc-per-node N -m multipl_moe train ..."
    if num_processes() == 1:
        if wanted != "auto":
            raise ConfigError(
                f"train.distribution: {wanted} needs several processes, but this is one; start it as `{torchrun}`"
            )
        if torch.cuda.device_count() > 1:
            raise ConfigError(
                f"train: one process uses one GPU, but there are several; start it as `{torchrun}` with a process for "
                "each, or choose one, as with CUDA_VISIBLE_DEVICES=0"
            )
        return "one"
    if wanted == "fsdp2" and recipe.train.method == "lora":
        raise ConfigError("train.distribution: fsdp2 does not go with train.method lora; use ddp")
    return "ddp" if wanted == "auto" else wanted


def compute_dtype(recipe: Recipe) -> torch.dtype:
    """The dtype of matrix products in training: bfloat16 where the hardware has it, unless the recipe decides."""
    if recipe.train.compute_dtype != "auto":
        return getattr(torch, recipe.train.compute_dtype)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16", False) else torch.float32


def unify_dtype(model: PreTrainedModel, recipe: Recipe) -> None:
    """Hold all weights in float32 where nothing casts them: it holds bfloat16 and float16 exactly."""
    if compute_dtype(recipe) == torch.float32:
        model.float()


def attention_implementation(recipe: Recipe) -> str:
    """transformers' name of the attention to train with."""
    attention = recipe.train.attention
    return fastest_attention(compute_dtype(recipe)) if attention == "auto" else attention
