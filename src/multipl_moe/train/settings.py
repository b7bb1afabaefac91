"""What follows from a recipe, the machine and the number of processes: steps, precision, attention, distribution."""

from importlib.util import find_spec
from typing import Literal

import torch
from transformers import PreTrainedModel

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.attention import fastest_attention, has_sdpa
from multipl_moe.system.device import fast_dtype
from multipl_moe.system.launch import num_processes

_OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}


def tokens_per_step(recipe: Recipe) -> int:
    """Tokens of an optimiser step, over all processes."""
    train = recipe.train
    return train.sequence_tokens * train.batch_sequences * train.accumulation_steps * num_processes()


def training_steps(recipe: Recipe) -> int:
    """Optimiser steps that cover the recipe's tokens, at least one."""
    return max(round(recipe.train.tokens / tokens_per_step(recipe)), 1)


def distribution(recipe: Recipe) -> Literal["one", "ddp", "fsdp2"]:
    """How processes share the work: `one` alone, each with a whole model (`ddp`), or each with a part of it (`fsdp2`).

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
    if wanted == "fsdp2" and recipe.train.keep_best:
        raise ConfigError("train.keep_best: does not go with train.distribution fsdp2; leave it off, or use ddp")
    return "ddp" if wanted == "auto" else wanted


def compute_dtype(recipe: Recipe) -> torch.dtype:
    """The dtype of matrix products in training: bfloat16 where the hardware has it, unless the recipe decides."""
    if recipe.train.compute_dtype != "auto":
        return getattr(torch, recipe.train.compute_dtype)
    return fast_dtype()


def unify_dtype(model: PreTrainedModel, recipe: Recipe) -> None:
    """Hold all weights in float32 where nothing casts them: it holds bfloat16 and float16 exactly."""
    if compute_dtype(recipe) == torch.float32:
        model.float()


def attention_implementation(model: PreTrainedModel, recipe: Recipe) -> str:
    """transformers' name of the attention to train with.

    Raises:
        ConfigError: the recipe asks for one that the model lacks.
    """
    attention = recipe.train.attention
    if attention == "sdpa" and not has_sdpa(model):
        raise ConfigError("train.attention: this base has no sdpa attention; use eager, or auto")
    return fastest_attention(model, compute_dtype(recipe)) if attention == "auto" else attention


def optimizer_name(recipe: Recipe) -> str:
    """transformers' name of the optimiser.

    Raises:
        ConfigError: it keeps its state in 8 bits, and there is no GPU or no bitsandbytes.
    """
    optimizer = recipe.train.optimizer
    if optimizer != "adamw" and not torch.cuda.is_available():
        raise ConfigError(f"train.optimizer: {optimizer} needs a CUDA GPU, and there is none here; use adamw")
    if optimizer != "adamw" and find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"train.optimizer: {optimizer} needs bitsandbytes; pip install 'multipl-moe[gpu]', or use adamw"
        )
    return _OPTIMIZERS[optimizer]


def enable_checkpointing(model: PreTrainedModel) -> None:
    """Keep only the inputs of decoder layers for the backward pass, and only of those that gradients flow through.

    transformers makes the embeddings' output require gradients as well, for another form of checkpointing; with it the
    backward pass would go through all frozen layers below the first trained one.
    """
    model.activation_checkpointing_enable()
    model.disable_input_require_grads()
