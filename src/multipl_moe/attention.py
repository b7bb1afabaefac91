"""Which of transformers' attention implementations to run."""

import torch


def fastest_attention(compute_dtype: torch.dtype) -> str:
    """transformers' name of the implementation that is fastest here.

    In bfloat16 on a CPU PyTorch's fused attention takes about twice the time of plain matrix products.
    """
    return "eager" if compute_dtype == torch.bfloat16 and not torch.cuda.is_available() else "sdpa"
