"""A hybrid as a mixture of experts that transformers and every engine have: Ernie 4.5's, where that holds it exactly.

It chooses by softmax(x W^T) and divides the chosen scores by their sum, as design 2 does, and its bias on the scores by
which experts are chosen can put one into every token's choice.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import Ernie4_5_MoeConfig

from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.moe_config import MoeConfig

# Families that differ from Ernie 4.5 in nothing but the blocks.
_HELD = ("llama", "mistral", "qwen2")
_NOT_HELD = {
    "gemma2": "no mixture of experts has its norms before and after attention and block",
    "gemma3_text": "no mixture of experts has its norms before and after attention and block",
    "phi3": "its matrices for queries, keys and values, and for gate and up, are one each, as in no such architecture",
    "starcoder2": "no mixture of experts has its blocks of two matrices with biases",
    "qwen3": "no expert of qwen3_moe is in every token's choice",
    "olmo2": "no expert of flex_olmo is in every token's choice",
    "granite": "no expert of granitemoe is in every token's choice",
}


def require_native(config: MultiplMoeConfig) -> None:
    """Refuse a hybrid that Ernie's architecture does not hold exactly, by what its configuration says."""
    base, moe = config.base_config, config.moe_config
    reason = _no_such_layer(moe) or _no_such_base(base)
    if reason is None and _spacing(moe.layers) is None:
        reason = "ernie4_5_moe: its layers with experts lie next to each other, or every Nth is one, from the Nth on"
    if reason:
        raise _none(reason)


def require_no_bias(model: Path, config: MultiplMoeConfig) -> None:
    """Refuse a hybrid whose experts are chosen by biases that alter the choice.

    Ernie's bias is added to scores, which gives another order than one on the logits.
    """
    routing = config.moe_config.routing
    if routing is None or not routing.has_token_bias or routing.token_top_k == routing.num_token_experts:
        return
    reader = CheckpointReader(model, "model")
    for name in reader.shapes:
        if name.endswith("mlp.token_bias"):
            bias = reader.read(name).float()
            if not (bias == bias[0]).all():
                raise _none(
                    "it picks experts by logits with a bias (moe.routing.token_bias_rate), which no architecture has; "
                    "train with moe.routing.token_bias_rate=0 and moe.routing.router_aux_loss_coef=0.01"
                )


def native_config(config: MultiplMoeConfig) -> Ernie4_5_MoeConfig:
    """The configuration of the hybrid in Ernie's architecture, without a dtype."""
    base, moe, routing = config.base_config, config.moe_config, config.moe_config.routing
    assert routing is not None
    known = Ernie4_5_MoeConfig().to_dict().keys() | {"head_dim"}  # read, though not named
    values = {key: value for key, value in base.to_dict().items() if key in known}
    for key in ("model_type", "architectures", "dtype", "transformers_version", "_name_or_path"):
        values.pop(key, None)
    values |= {"moe_num_experts": routing.num_token_experts, "moe_k": routing.token_top_k, "moe_num_shared_experts": 0}
    values |= {"moe_layer_start_index": moe.layers[0], "moe_layer_end_index": moe.layers[-1]}
    values |= {"moe_intermediate_size": base.intermediate_size, "moe_layer_interval": _spacing(moe.layers)}
    values["use_bias"] = base.model_type == "qwen2" or bool(getattr(base, "attention_bias", False))
    return Ernie4_5_MoeConfig(**values, architectures=["Ernie4_5_MoeForCausalLM"])


def _no_such_layer(moe: MoeConfig) -> str | None:
    if moe.gate.languages:
        merge = "" if moe.is_routed else "; --merge folds it into a dense model"
        return f"no architecture has a domain gate{merge}"
    if (routing := moe.routing) is None:
        return "with one expert a layer and no gate it is a dense model: --merge writes exactly that"
    if routing.num_segment_experts:
        return f"no architecture has segment-level experts (preset {moe.preset})"
    if not EXPERT_KINDS[moe.experts.type].is_copied:
        return "its experts are low-rank; write them out first (export --full-experts), and export that"
    if routing.fusion == "fixed" and routing.token_weight != 1:
        return f"no architecture has a fixed fusion with weight {routing.token_weight:g}"
    return None


def _no_such_base(base: Any) -> str | None:
    if base.model_type not in _HELD:
        return _NOT_HELD.get(base.model_type, f"no architecture is known for {base.model_type}")
    if getattr(base, "mlp_bias", False):
        return "no architecture's experts have biases (mlp_bias)"
    if base.hidden_act != "silu":
        return f"engines compute experts with silu alone, not {base.hidden_act}"
    if getattr(base, "sliding_window", None) is not None:
        return "ernie4_5_moe: it has no sliding window"
    return None


def _spacing(layers: list[int]) -> int | None:
    """N where the layers are those of a range whose number, from 1, N divides; None where there is no such N."""
    steps = {after - before for before, after in pairwise(layers)} or {1}
    step = min(steps)
    return step if len(steps) == 1 and (layers[0] + 1) % step == 0 else None


def _none(reason: str) -> ConfigError:
    return ConfigError(f"--native: {reason}")
