"""A text as a hybrid and its base read it: gate and experts of each token, and the bits that it takes."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_moe.generate.routing import pieces, routed_pass
from multipl_moe.model.expert_use import expert_names
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.start_tokens import start_tokens


@dataclass(frozen=True)
class Reading:
    """What was read of each token of a text.

    Attributes:
        pieces: what it adds to the text.
        bits: what the hybrid needs to predict it; None for one that nothing is before.
        base_bits: the same of the base; None: it was not read.
        gate: p of the domain gate; None: there is none.
        experts: names of a layer's experts.
        weights: by layer index, the weight of each expert.
    """

    pieces: list[str]
    bits: list[float | None]
    base_bits: list[float | None] | None
    gate: list[float] | None
    experts: list[str]
    weights: dict[int, list[list[float]]]

    @property
    def bits_per_byte(self) -> tuple[float, float | None]:
        """Of hybrid and base, over all tokens that something is before."""
        scored = [len(piece.encode()) for piece, bits in zip(self.pieces, self.bits, strict=True) if bits is not None]
        num_bytes = sum(scored) or math.nan
        base = None if self.base_bits is None else sum(bit or 0.0 for bit in self.base_bits) / num_bytes
        return sum(bit or 0.0 for bit in self.bits) / num_bytes, base

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Reading":
        """Read `to_json`'s dict."""
        weights = {int(layer): rows for layer, rows in values["weights"].items()}
        return cls(**{**values, "weights": weights})


@torch.no_grad()
def read_text(
    model: MultiplMoeForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    layers: list[int],
    max_tokens: int,
    base: PreTrainedModel | None = None,
    open_share: float | Tensor | None = None,
    prompt: str = "",
) -> Reading:
    """Read a text, cut after `max_tokens`, with a hybrid and with its base; both are in evaluation mode.

    Args:
        model: nothing else may use it meanwhile.
        text: with at least one token.
        layers: hybrid layers whose experts are of interest.
        base: the dense base. None: it is the hybrid itself behind a gate that is shut; without a gate it is not read.
        open_share: takes the domain gate's place, where the language of the text is known.
        prompt: how the text begins, if a model wrote the rest: of this gates decided as of a prompt.
    """
    start = start_tokens(tokenizer)
    num_before = len(start)
    encoded = tokenizer(
        text, add_special_tokens=False, truncation=True, max_length=max_tokens, return_offsets_mapping=bool(prompt)
    )
    own: list[int] = encoded["input_ids"]
    tokens = torch.tensor([*start, *own], device=model.device)
    num_prompt = num_before + sum(end <= len(prompt) for _, end in encoded["offset_mapping"]) if prompt else 0
    routed = routed_pass(model, tokens, layers, open_share, num_prompt)
    base_logits = None
    if base is not None:
        base_logits = base(input_ids=tokens[None], use_cache=False).logits[0]
    elif routed.gate is not None:
        base_logits = model(input_ids=tokens[None], use_cache=False, open_share=0.0).logits[0]

    return Reading(
        pieces=pieces(tokenizer, own),
        bits=_bits(routed.logits, tokens, num_before),
        base_bits=None if base_logits is None else _bits(base_logits, tokens, num_before),
        gate=None if routed.gate is None else routed.gate[num_before:].tolist(),
        experts=expert_names(model.config.moe_config)[:-1],
        weights={layer: weights[num_before:].float().tolist() for layer, weights in routed.weights.items()},
    )


def _bits(logits_TV: Tensor, tokens: Tensor, num_before: int) -> list[float | None]:
    """Bits of each token of the text; without tokens that begin it, the first has nothing before it."""
    first = max(num_before, 1)
    nats = torch.nn.functional.cross_entropy(logits_TV[first - 1 : -1].float(), tokens[first:], reduction="none")
    unscored: list[float | None] = [None] * (first - num_before)
    return unscored + (nats / math.log(2)).tolist()
