"""Where documents begin in packed rows, which tokens are padding, and how attention is told.

A document begins wherever a token's position is not its predecessor's plus one. Padding has a position that continues
nothing, so that each of its tokens is a document of its own.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import Cache

_NO_MASK = (
    "attention_mask: it must be (rows, tokens), nonzero for real tokens, not {}; packed documents are kept apart by "
    "position_ids alone"
)
IGNORED_LABEL = -100  # of a token that is not to be foreseen, as in transformers
PADDING_POSITION = -2  # continues no position and is continued by none, so that padding is a document to nobody


def starts_of_documents(positions: Tensor, rows: Tensor, is_real: Tensor | None = None) -> Tensor:
    """(N,) bool, whether a token begins a document.

    Args:
        positions, rows: (N,) of each token, in its document and in the batch.
        is_real: (N,) which tokens count; padding in between is passed over. None: all.
    """
    if is_real is None:
        starts = torch.ones_like(positions, dtype=torch.bool)
        starts[1:] = (rows[1:] != rows[:-1]) | (positions[1:] != positions[:-1] + 1)
        return starts
    tokens = torch.arange(rows.shape[0], device=rows.device)
    last_real = torch.where(is_real, tokens, -1).cummax(0).values
    before = F.pad(last_real[:-1], (1, 0), value=-1)
    continues = (before >= 0) & (rows == rows[before]) & (positions == positions[before] + 1)
    return is_real & ~continues


def attention_arguments(position_ids: Tensor) -> dict[str, Any]:
    """What FlashAttention must be told of packed rows: bounds of the documents laid end to end, and the longest length.

    Left to itself, transformers takes the least position for the start of documents, in one row only: with padding at
    a negative one, real tokens belong to no document, and the kernel leaves their place in memory as it was.

    Args:
        position_ids: (B, T), padding at `PADDING_POSITION`.
    """
    num_rows, row_tokens = position_ids.shape
    rows = torch.arange(num_rows, device=position_ids.device).repeat_interleave(row_tokens)
    begins = starts_of_documents(position_ids.reshape(-1), rows).nonzero().squeeze(1)
    bounds = F.pad(begins, (0, 1), value=num_rows * row_tokens).to(torch.int32)
    longest = int(bounds.diff().max())
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}


def takes_document_bounds(attention: str | None) -> bool:
    """Whether an attention implementation of transformers reads `attention_arguments`; others go by positions."""
    return "flash" in (attention or "")


def real_tokens_of(
    inputs: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None, cache: Cache | None
) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Which tokens are real, (B, T) or None for all; and the mask and position ids for the base's decoder.

    Raises:
        ValueError: the mask is not (B, T).
    """
    if attention_mask is not None and (not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2):
        given = tuple(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise ValueError(_NO_MASK.format(given))
    traced = torch.compiler.is_compiling()  # then values cannot be asked for
    if attention_mask is not None and not traced and bool((attention_mask != 0).all()):
        attention_mask = None
    may_have_padding = position_ids is not None and attention_mask is None and cache is None
    if position_ids is None:
        position_ids = _positions(inputs, attention_mask, 0 if cache is None else cache.get_seq_length())
    position_ids = position_ids.expand(inputs.shape[:2])
    real_tokens = None if attention_mask is None else attention_mask[:, -inputs.shape[1] :]
    if may_have_padding and (traced or bool((position_ids < 0).any())):
        real_tokens = position_ids >= 0
    if real_tokens is not None and cache is None:
        # Only without a mask does transformers keep packed documents apart in attention.
        position_ids, attention_mask = position_ids.masked_fill(real_tokens == 0, PADDING_POSITION), None
    return real_tokens, attention_mask, position_ids


def _positions(inputs: Tensor, attention_mask: Tensor | None, num_cached: int) -> Tensor:
    """(B, T) positions that count the real tokens of each row from 0, those in the cache included."""
    num_tokens = inputs.shape[1]
    if attention_mask is None:
        return torch.arange(num_cached, num_cached + num_tokens, device=inputs.device).expand(inputs.shape[:2])
    return (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -num_tokens:]
