"""Which of transformers' attention implementations to run."""

from typing import Any

import torch
from transformers import PreTrainedModel


def fastest_attention(model: PreTrainedModel, compute_dtype: torch.dtype) -> str:
    """transformers' name of the implementation that is fastest here, of those that the model has.

    In bfloat16 on a CPU PyTorch's fused attention takes about twice the time of plain matrix products.
    """
    is_slow = compute_dtype == torch.bfloat16 and not torch.cuda.is_available()
    return "eager" if is_slow or not has_sdpa(model) else "sdpa"


def has_sdpa(model: PreTrainedModel) -> bool:
    """Whether the model, or the base that a hybrid is built around, runs on PyTorch's fused attention."""
    base: Any = model.base_model
    return base._supports_sdpa
