"""How far a model's predictions lie from its base's on given texts: KL divergence and changed first choices.

Shape suffixes: N tokens that count, V the base's vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.errors import BaseModelError
from multipl_moe.eval.intervals import Estimate, resampled
from multipl_moe.eval.windows import Window, batches, scored_logits, windows_of
from multipl_moe.runs.result import Movement

_CHUNK_TOKENS = 64  # whose probabilities are there at once, in float32


@dataclass(frozen=True)
class CountedText:
    """A text, of which `num_before` tokens, such as a prompt, only stand before what counts; the first never counts."""

    tokens: list[int]
    num_before: int

    @property
    def num_counted(self) -> int:
        """Tokens that count."""
        return max(len(self.tokens) - max(self.num_before, 1), 0)


@dataclass(frozen=True)
class TextMovement:
    """How far a model is from its base on the tokens of a text that count.

    `nats` are KL(base || model) of the next token, summed; `num_changed` tokens have another one for the likeliest.
    """

    nats: float
    num_changed: int
    num_tokens: int


@torch.no_grad()
def measure_movement(
    base: torch.nn.Module,
    model: torch.nn.Module,
    texts: Sequence[CountedText],
    *,
    batch_tokens: int,
    window_tokens: int | None = None,
    reads_prompts: bool = False,
) -> list[TextMovement]:
    """Let both models read the same texts; a model that is its base has exactly 0 nats and no changed choice.

    Args:
        base, model: in evaluation mode, on one device. Where the model has more rows of vocabulary than the base,
            its probabilities are those among the base's.
        texts: of tokens that mean the same to both.
        batch_tokens: most tokens of a forward pass, with padding; the logits of both models are there at once.
        window_tokens: longer texts are read in windows that overlap by half, each after what stands before the text;
            None reads each text whole.
        reads_prompts: let the model's domain gates first read all that stands before what counts, as `generate` does.
    """
    windows: list[Window] = []
    for index, text in enumerate(texts):
        size = window_tokens or max(len(text.tokens), 1)
        windows += windows_of(index, text.tokens, text.tokens[: text.num_before], size)
    nats, changed = [0.0] * len(texts), [0] * len(texts)
    for batch in batches(windows, batch_tokens):
        before, after = scored_logits(base, batch), scored_logits(model, batch, reads_prompts=reads_prompts)
        for window, base_NV, model_NV in zip(batch, before, after, strict=True):
            more_nats, more_changed = _divergence(base_NV, model_NV[:, : base_NV.shape[1]])
            nats[window.text] += more_nats
            changed[window.text] += more_changed
    if not all(map(math.isfinite, nats)):
        raise BaseModelError("model: how far it moved is no number; what it or its base computes is not finite")
    return [TextMovement(nats[index], changed[index], text.num_counted) for index, text in enumerate(texts)]


def summarise_movement(movements: Sequence[TextMovement], *, samples: int, seed: int) -> Movement:
    """Nats a token with their 95% interval (texts are resampled) and the share of changed first choices.

    Tokens weigh alike, so long texts count for more.
    """
    totals = np.array([[text.nats, text.num_changed, text.num_tokens] for text in movements])
    nats, changed, tokens = totals.sum(axis=0).tolist()

    def rates(chosen: np.ndarray) -> np.ndarray:
        drawn = totals[chosen].sum(axis=1)
        return drawn[:, 0] / drawn[:, 2]

    draws = resampled(rates, len(totals), samples, np.random.default_rng(seed))
    return Movement(
        nats_per_token=nats / tokens,
        interval=Estimate.of_draws(nats / tokens, np.maximum(draws, 0)).interval,
        changed=changed / tokens,
        tokens=int(tokens),
        texts=len(movements),
    )


def _divergence(base_NV: Tensor, model_NV: Tensor) -> tuple[float, int]:
    """KL(base || model) in nats and changed first choices, summed over tokens; float32, a chunk of tokens at a time."""
    nats, changed = 0.0, 0
    for base_CV, model_CV in zip(base_NV.split(_CHUNK_TOKENS), model_NV.split(_CHUNK_TOKENS), strict=True):
        log_p_CV = base_CV.log_softmax(dim=-1, dtype=torch.float32)
        log_q_CV = model_CV.log_softmax(dim=-1, dtype=torch.float32)
        per_token_C = F.kl_div(log_q_CV, log_p_CV, reduction="none", log_target=True).sum(dim=-1)
        nats += per_token_C.clamp(min=0).double().sum().item()  # below 0 is rounding
        changed += int((log_p_CV.argmax(dim=-1) != log_q_CV.argmax(dim=-1)).sum())
    return nats, changed
