"""How llama.cpp computes the models that can be written as GGUF: a table, and the hyperparameters that it reads."""

from dataclasses import dataclass
from typing import Any

from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, RopeScalingType
from transformers import PreTrainedConfig

from multipl_moe.errors import BaseModelError

_SILU = ("hidden_act", "silu")


@dataclass(frozen=True)
class GgufArchitecture:
    """How llama.cpp computes one family.

    Attributes:
        arch: its name there.
        rotates_neighbours: rotary embedding turns neighbouring rows of a head instead of rows half a head apart, so
            that the rows of q and k go into another order.
        assumes: settings of the configuration that are fixed there.
        scales: configuration keys of multipliers, and the method of `GGUFWriter` that writes each.
        absent: endings of tensors that are not read there; they must be 0.
    """

    arch: MODEL_ARCH
    rotates_neighbours: bool = False
    assumes: tuple[tuple[str, Any], ...] = (_SILU,)
    scales: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in GGUF files."""
        return MODEL_ARCH_NAMES[self.arch]


_GRANITE_SCALES = (
    ("attention_multiplier", "add_attention_scale"),
    ("embedding_multiplier", "add_embedding_scale"),
    ("residual_multiplier", "add_residual_scale"),
    ("logits_scaling", "add_logit_scale"),
)

_ARCHITECTURES = {
    "llama": GgufArchitecture(MODEL_ARCH.LLAMA, rotates_neighbours=True),
    "mistral": GgufArchitecture(MODEL_ARCH.LLAMA, rotates_neighbours=True),
    "qwen2": GgufArchitecture(MODEL_ARCH.QWEN2),
    "qwen3": GgufArchitecture(MODEL_ARCH.QWEN3, assumes=(_SILU, ("attention_bias", False))),
    "olmo2": GgufArchitecture(
        MODEL_ARCH.OLMO2, assumes=(_SILU, ("attention_bias", False), ("tie_word_embeddings", False))
    ),
    "phi3": GgufArchitecture(MODEL_ARCH.PHI3),
    "starcoder2": GgufArchitecture(
        MODEL_ARCH.STARCODER2, assumes=(("hidden_act", "gelu_pytorch_tanh"), ("use_bias", True))
    ),
    "granite": GgufArchitecture(MODEL_ARCH.GRANITE, rotates_neighbours=True, scales=_GRANITE_SCALES),
    "ernie4_5_moe": GgufArchitecture(
        MODEL_ARCH.ERNIE4_5_MOE,
        assumes=(_SILU, ("moe_num_shared_experts", 0), ("moe_layer_interval", 1)),
        absent=("o_proj.bias", "mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias", "lm_head.bias"),
    ),
}


def gguf_architecture(config: Any) -> GgufArchitecture:
    """The table entry of a model; raises BaseModelError where llama.cpp cannot compute it with its settings."""
    architecture = _ARCHITECTURES.get(config.model_type)
    if architecture is None:
        raise unsupported(config, f"it is not among {', '.join(_ARCHITECTURES)}")
    for key, assumed in architecture.assumes:
        if (value := getattr(config, key)) != assumed:
            raise unsupported(config, f"llama.cpp computes it only with {key} {assumed}, not {value}")
    rope_type = config.rope_parameters["rope_type"]
    if rope_type not in ("default", "linear") and (rope_type, architecture.arch) != ("llama3", MODEL_ARCH.LLAMA):
        raise unsupported(config, f"its rotary embedding is scaled by {rope_type}")
    if architecture.arch == MODEL_ARCH.ERNIE4_5_MOE:
        end = config.num_hidden_layers - 1
        if config.moe_layer_end_index != end:
            raise unsupported(config, f"llama.cpp computes it only with experts up to its last layer, {end}")
    return architecture


def add_hyperparameters(writer: GGUFWriter, config: Any, architecture: GgufArchitecture) -> None:
    """Add sizes and numbers that llama.cpp builds the model from."""
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    writer.add_vocab_size(config.vocab_size)
    window = getattr(config, "sliding_window", None) or config.max_position_embeddings
    writer.add_context_length(min(config.max_position_embeddings, window))
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(int(head_size * rope.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(config.norm_epsilon)
    for key, method in architecture.scales:
        getattr(writer, method)(getattr(config, key))
    if architecture.arch == MODEL_ARCH.ERNIE4_5_MOE:
        writer.add_expert_count(config.moe_num_experts)
        writer.add_expert_used_count(config.moe_k)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        writer.add_interleave_moe_layer_step(1)
        writer.add_leading_dense_block_count(config.moe_layer_start_index)


def unsupported(config: PreTrainedConfig, reason: str) -> BaseModelError:
    """What is told of a model that cannot be written."""
    return BaseModelError(f"GGUF for {config.model_type}: {reason}; convert with llama.cpp's convert_hf_to_gguf.py")
