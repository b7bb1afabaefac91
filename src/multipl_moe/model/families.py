"""The base models that can be upcycled: one table entry per model family.

An entry names the parts of the family's feed-forward block (the module `mlp` of a decoder layer), so that the
rest of the package needs no branch on the family.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_moe.errors import BaseModelError


@dataclass(frozen=True)
class Family:
    """Names of one family's feed-forward block, as in its weights and its configuration.

    Attributes:
        up: parts stacked, in this order, into an expert's first matrix: (gate, up), a fused gate_up, or one plain up.
        down: the matrix back to the hidden size.
        gated: whether the first matrix yields gate and up halves (act(gate) * up) or one plain hidden (act(up)).
        activation: configuration key of the activation function.
        bias: configuration key that says whether the block has biases (None: it never has).
        dropout: attribute of the block with the rate of a dropout of its own (None: it has none).
        logit_softcap, logit_divisor: configuration keys of what the family does to its logits (None: nothing).
    """

    up: tuple[str, ...] = ("gate_proj", "up_proj")
    down: str = "down_proj"
    gated: bool = True
    activation: str = "hidden_act"
    bias: str | None = None
    dropout: str | None = None
    logit_softcap: str | None = None
    logit_divisor: str | None = None

    @property
    def up_name(self) -> str:
        """Name of an expert's first matrix in the stacked weights."""
        return "gate_up_proj" if self.gated else "up_proj"

    def up_size(self, intermediate_size: int) -> int:
        """Rows of an expert's first matrix, U: gate and up are stacked in it where there are both."""
        return intermediate_size * (2 if self.gated else 1)

    def has_bias(self, config: Any) -> bool:
        """Whether this base's feed-forward blocks have biases."""
        return self.bias is not None and bool(getattr(config, self.bias))


_GEMMA = Family(activation="hidden_activation", logit_softcap="final_logit_softcapping")

FAMILIES: dict[str, Family] = {
    "llama": Family(bias="mlp_bias"),
    "mistral": Family(),
    "qwen2": Family(),
    "qwen3": Family(),
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "phi3": Family(up=("gate_up_proj",)),
    "starcoder2": Family(up=("c_fc",), down="c_proj", gated=False, bias="use_bias", dropout="residual_dropout"),
    "olmo2": Family(),
    "granite": Family(bias="mlp_bias", logit_divisor="logits_scaling"),
}

_EXPERT_COUNT_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def family_of(config: Any, folder: Path | None = None) -> Family:
    """The table entry for a base configuration, of a folder that errors name.

    Raises:
        BaseModelError: it is of a mixture of experts, or of an unknown base.
    """
    name, base = config.model_type, f"base model {folder}" if folder else "base model"
    supported = f"supported: {', '.join(FAMILIES)}"
    if name == "multipl_moe" or any((getattr(config, key, 0) or 0) > 1 for key in _EXPERT_COUNT_KEYS):
        raise BaseModelError(f"{base}: {name} is already a mixture of experts; give a dense base ({supported})")
    if name not in FAMILIES:
        raise BaseModelError(f"{base}: architecture {name!r} is not supported ({supported})")
    return FAMILIES[name]
