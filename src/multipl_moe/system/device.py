"""Where to compute, in what, and with which of transformers' attention implementations."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


def move_to_best_device(model: nn.Module) -> torch.device:
    """Move a model to the first GPU, if there is one; returns where it is."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    nn.Module.to(model, device)
    return device


def dtype_name(dtype: torch.dtype) -> str:
    """Its name in recipes and JSON, such as bfloat16."""
    return str(dtype).removeprefix("torch.")


def fast_dtype() -> torch.dtype:
    """bfloat16 where the hardware multiplies matrices in it, else float32.

    A processor without such instructions emulates it: on one with AVX2 alone PyTorch is a hundred times slower.
    """
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16", False) else torch.float32


def fastest_attention(model: PreTrainedModel) -> str:
    """transformers' name of the implementation that is fastest, of those that the model has."""
    return "sdpa" if has_sdpa(model) else "eager"


def has_sdpa(model: PreTrainedModel) -> bool:
    """Whether the model, or the base that a hybrid is built around, runs on PyTorch's fused attention."""
    base: Any = model.base_model
    return base._supports_sdpa
