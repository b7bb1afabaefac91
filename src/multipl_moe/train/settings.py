"""What follows from a recipe and the machine: steps, precision, attention."""

from importlib.util import find_spec

import torch
from transformers import PreTrainedModel

from multipl_moe.attention import fastest_attention
from multipl_moe.errors import ConfigError
from multipl_moe.recipe import Recipe

_OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}


def tokens_per_step(recipe: Recipe) -> int:
    """Tokens of an optimiser step."""
    train = recipe.train
    return train.sequence_tokens * train.batch_sequences * train.accumulation_steps


def training_steps(recipe: Recipe) -> int:
    """Optimiser steps that cover the recipe's tokens, at least one."""
    return max(round(recipe.train.tokens / tokens_per_step(recipe)), 1)


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
