"""Where to compute, and in what."""

import torch
from torch import nn


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
