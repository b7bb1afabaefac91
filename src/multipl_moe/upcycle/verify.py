"""The proof that a conversion starts at the base: logits of both models on a probe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.model.moe_config import MoeConfig

TOLERANCE = 1e-3
_PROBE_ROWS = 2
_PROBE_WINDOWS, _USUAL_WINDOW = 2.5, 64


@dataclass(frozen=True)
class Verification:
    """Outcome of the comparison in float32.

    Attributes:
        max_difference: largest absolute difference of a logit.
        must_be_exact: whether the settings promise that the hybrid starts at the base (design 4, promise 1).
    """

    max_difference: float
    must_be_exact: bool

    @property
    def passed(self) -> bool:
        """False only where equality was promised and does not hold."""
        return not self.must_be_exact or self.max_difference <= TOLERANCE


@torch.no_grad()
def verify_start(
    base_folder: Path,
    hybrid_folder: Path,
    moe: MoeConfig,
    *,
    dtype: torch.dtype,
    exact_copies: bool,
    seed: int,
) -> Verification:
    """Compare a fresh hybrid checkpoint with its base on random tokens, longer than two segment windows.

    Args:
        base_folder, hybrid_folder: both in Hugging Face format.
        dtype: of the hybrid checkpoint; the base's weights are rounded to it too.
        exact_copies: whether experts are plain copies, without noise.
    """
    base: Any = load_dense(base_folder).float().eval()
    for parameter in base.parameters():
        parameter.copy_(parameter.to(dtype))
    generator = torch.Generator().manual_seed(seed)
    num_tokens = min(
        int(_PROBE_WINDOWS * (moe.routing.segment_window if moe.routing else _USUAL_WINDOW)),
        base.config.max_position_embeddings,
    )
    probe = torch.randint(base.config.vocab_size, (_PROBE_ROWS, num_tokens), generator=generator)
    expected = base(input_ids=probe, use_cache=False).logits
    del base
    hybrid = load_hybrid(hybrid_folder, dtype=torch.float32).eval()
    difference = (hybrid(input_ids=probe).logits - expected).abs().max().item()
    return Verification(difference, must_be_exact=exact_copies and moe.starts_at_base)
