"""A hybrid as a mixture of experts that transformers and every engine have: which architecture holds it exactly."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.moe_config import MoeConfig

Layers = Literal["all", "spaced", "any"]


@dataclass(frozen=True)
class NativeArchitecture:
    """A mixture of experts among transformers' own, and where it keeps what a hybrid has.

    All of them choose by softmax(x W^T) and divide the chosen scores by their sum, as design 2 does.

    Attributes:
        model_type: its name in transformers.
        layers: which layers can have experts: `all` and no others, evenly `spaced` ones, or `any`.
        names: of an expert's gate, up and down matrix; {} is its number.
        router: of the router's matrix.
        selection_bias: of a bias on the scores by which experts are chosen, which can put one into every choice.
        settings: of the configuration, in all its models.
        counts: configuration keys of experts, of those that a token uses, and of their intermediate size.
        shared_size: intermediate size of a shared expert that it cannot do without, and that is written as 0.
        is_in_llama_cpp: whether llama.cpp computes it as transformers does.
    """

    model_type: str
    layers: Layers
    names: tuple[str, str, str] = ("experts.{}.gate_proj", "experts.{}.up_proj", "experts.{}.down_proj")
    block: str = "mlp"
    router: str = "gate"
    selection_bias: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    counts: tuple[str, str, str] = ("num_experts", "num_experts_per_tok", "moe_intermediate_size")
    shared_size: int = 0
    is_in_llama_cpp: bool = True


ERNIE = NativeArchitecture(
    "ernie4_5_moe",
    "spaced",
    selection_bias="moe_statics.e_score_correction_bias",
    settings={"moe_num_shared_experts": 0},
    counts=("moe_num_experts", "moe_k", "moe_intermediate_size"),
)
MIXTRAL = NativeArchitecture(
    "mixtral",
    "all",
    names=("experts.{}.w1", "experts.{}.w3", "experts.{}.w2"),
    block="block_sparse_moe",
    counts=("num_local_experts", "num_experts_per_tok", "intermediate_size"),
)
QWEN3_MOE = NativeArchitecture("qwen3_moe", "any", settings={"norm_topk_prob": True, "decoder_sparse_step": 1})
# llama.cpp's does not divide the chosen scores by their sum. The size of the shared expert fits kernels and devices.
QWEN2_MOE = NativeArchitecture("qwen2_moe", "any", settings=QWEN3_MOE.settings, shared_size=128, is_in_llama_cpp=False)
FLEX_OLMO = NativeArchitecture(
    "flex_olmo",
    "all",
    settings={"norm_topk_prob": True},
    counts=("num_experts", "num_experts_per_tok", "intermediate_size"),
    is_in_llama_cpp=False,
)
GRANITE_MOE = NativeArchitecture(
    "granitemoe",
    "all",
    names=("input_linear", "input_linear", "output_linear"),
    block="block_sparse_moe",
    router="router.layer",
    counts=("num_local_experts", "num_experts_per_tok", "intermediate_size"),
)

# By the base's family, the first that fits is taken.
_HOMES: dict[str, tuple[NativeArchitecture, ...]] = {
    "llama": (MIXTRAL, ERNIE),
    "mistral": (MIXTRAL, ERNIE),
    "qwen2": (QWEN2_MOE, ERNIE),
    "qwen3": (QWEN3_MOE,),
    "olmo2": (FLEX_OLMO,),
    "granite": (GRANITE_MOE,),
}
_HOMELESS = {
    "gemma2": "no mixture of experts has its norms before and after attention and block",
    "gemma3_text": "no mixture of experts has its norms before and after attention and block",
    "phi3": "its matrices for queries, keys and values, and for gate and up, are one each, as in no such architecture",
    "starcoder2": "no mixture of experts has its blocks of two matrices with biases",
}


def native_architecture(config: MultiplMoeConfig, in_llama_cpp: bool = False) -> NativeArchitecture:
    """The architecture that holds a hybrid exactly, by what its configuration says.

    Args:
        in_llama_cpp: whether llama.cpp must compute it too.

    Raises:
        ConfigError: there is none; the line says why.
    """
    base, moe = config.base_config, config.moe_config
    if reason := _no_such_layer(moe) or _HOMELESS.get(base.model_type) or _unusual_base(base):
        raise _none(reason)
    reasons = []
    for home in _HOMES.get(base.model_type, ()):
        reason = _no_room(home, base, moe)
        if in_llama_cpp and not home.is_in_llama_cpp:
            reason = "llama.cpp does not compute it"
        if reason is None:
            return home
        reasons.append(f"{home.model_type}: {reason}")
    raise _none("; ".join(reasons) or f"no architecture is known for {base.model_type}")


def require_no_bias(model: Path, config: MultiplMoeConfig) -> None:
    """Refuse a hybrid whose experts are chosen by biases that alter the choice.

    No architecture has a bias on the logits: those that have one add it to scores, which gives another order.
    """
    routing = config.moe_config.routing
    if routing is None or not routing.has_token_bias or routing.token_top_k == routing.num_token_experts:
        return
    reader = CheckpointReader(model, "model")
    for name in reader.shapes:
        if name.endswith("mlp.token_bias"):
            bias = reader.read(name).float()
            is_even = bool((bias == bias[0]).all())
            if not (is_even and (routing.shared_expert_selection == "always" or bias[0] == 0)):
                raise _none(
                    "it picks experts by logits with a bias (moe.routing.token_bias_rate), which no architecture has; "
                    "train with moe.routing.token_bias_rate=0 and moe.routing.router_aux_loss_coef=0.01"
                )


def native_config(config: MultiplMoeConfig, home: NativeArchitecture) -> PreTrainedConfig:
    """The configuration of the hybrid in its architecture, without a dtype."""
    base, moe, routing = config.base_config, config.moe_config, config.moe_config.routing
    assert routing is not None
    known = AutoConfig.for_model(home.model_type).to_dict().keys() | {"head_dim"}  # read, though not named
    values = {key: value for key, value in base.to_dict().items() if key in known}
    for key in ("model_type", "architectures", "dtype", "transformers_version", "_name_or_path"):
        values.pop(key, None)
    num_experts, top_k, size = home.counts
    values |= {num_experts: routing.num_token_experts, top_k: routing.token_top_k, size: base.intermediate_size}
    values |= home.settings | _layer_settings(home, base, moe)
    if home.shared_size:
        values["shared_expert_intermediate_size"] = home.shared_size
    if home is ERNIE:
        values["use_bias"] = _has_attention_bias(base)
    architecture = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[home.model_type]
    return AutoConfig.for_model(home.model_type, **values, architectures=[architecture])


def _no_such_layer(moe: MoeConfig) -> str | None:
    if moe.gate.languages:
        merge = "" if moe.is_routed else "; --merge folds it into a dense model"
        return f"no architecture has a domain gate{merge}"
    if (routing := moe.routing) is None:
        return "with one expert a layer and no gate it is a dense model: --merge writes exactly that"
    if routing.num_segment_experts:
        return f"no architecture has segment-level experts (preset {moe.preset})"
    if moe.experts.type != "full":
        return "its experts are low-rank; write them out first (export --full-experts), and export that"
    if routing.fusion == "fixed" and routing.token_weight != 1:
        return f"no architecture has a fixed fusion with weight {routing.token_weight:g}"
    return None


def _unusual_base(base: Any) -> str | None:
    if getattr(base, "mlp_bias", False):
        return "no architecture's experts have biases (mlp_bias)"
    if base.hidden_act != "silu":
        return f"engines compute experts with silu alone, not {base.hidden_act}"
    if base.model_type in ("qwen2", "qwen3") and base.use_sliding_window:
        return "no architecture has its mix of sliding and full attention"
    return None


def _no_room(home: NativeArchitecture, base: Any, moe: MoeConfig) -> str | None:
    assert moe.routing is not None
    if moe.routing.shared_expert_selection == "always" and home.selection_bias is None:
        return f"no expert of it is in every token's choice (preset {moe.preset})"
    if home.layers == "all" and len(moe.layers) < base.num_hidden_layers:
        return "all its layers have experts"
    if home.layers == "spaced" and _spacing(moe.layers) is None:
        return "its layers with experts lie next to each other, or every Nth is one, from the Nth on"
    if home is ERNIE and getattr(base, "sliding_window", None) is not None:
        return "it has no sliding window"
    if home is MIXTRAL and _has_attention_bias(base):
        return "its attention has no biases"
    return None


def _spacing(layers: list[int]) -> int | None:
    """N where the layers are those of a range whose number, from 1, N divides; None where there is no such N."""
    steps = {after - before for before, after in pairwise(layers)} or {1}
    step = min(steps)
    return step if len(steps) == 1 and (layers[0] + 1) % step == 0 else None


def _layer_settings(home: NativeArchitecture, base: Any, moe: MoeConfig) -> dict[str, Any]:
    if home.layers == "spaced":
        ends = {"moe_layer_start_index": moe.layers[0], "moe_layer_end_index": moe.layers[-1]}
        return ends | {"moe_layer_interval": _spacing(moe.layers)}
    if home.layers == "any":
        return {"mlp_only_layers": sorted(set(range(base.num_hidden_layers)) - set(moe.layers))}
    return {}


def _has_attention_bias(base: Any) -> bool:
    return base.model_type == "qwen2" or bool(getattr(base, "attention_bias", False))


def _none(reason: str) -> ConfigError:
    return ConfigError(f"--native: {reason}")
