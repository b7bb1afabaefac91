"""A dense model as one GGUF file, for llama.cpp and what is built on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import (
    GGML_QUANT_VERSION,
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGMLQuantizationType,
    GGUFType,
    GGUFWriter,
    LlamaFileType,
    RopeScalingType,
    get_tensor_name_map,
)
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import BaseModelError
from multipl_moe.export.gguf_tokenizer import add_tokenizer
from multipl_moe.system.staging import create_folder, held_file, refuse_existing, require_space

_SPARE_BYTES = 16_000_000
_ROPE_FREQUENCIES = "rope_freqs.weight"


@dataclass(frozen=True)
class _Architecture:
    """How llama.cpp computes one base family.

    Attributes:
        arch: its name there.
        rotates_neighbours: rotary embedding turns neighbouring rows of a head instead of rows half a head apart, so
            that the rows of q and k go into another order.
        assumes: settings of the configuration that are fixed there.
        scales: configuration keys of multipliers, and the method of `GGUFWriter` that writes each.
    """

    arch: MODEL_ARCH
    rotates_neighbours: bool = False
    assumes: tuple[tuple[str, Any], ...] = (("hidden_act", "silu"),)
    scales: tuple[tuple[str, str], ...] = ()


_ARCHITECTURES = {
    "llama": _Architecture(MODEL_ARCH.LLAMA, rotates_neighbours=True),
    "mistral": _Architecture(MODEL_ARCH.LLAMA, rotates_neighbours=True),
    "qwen2": _Architecture(MODEL_ARCH.QWEN2),
    "qwen3": _Architecture(MODEL_ARCH.QWEN3, assumes=(("hidden_act", "silu"), ("attention_bias", False))),
    "olmo2": _Architecture(
        MODEL_ARCH.OLMO2,
        assumes=(("hidden_act", "silu"), ("attention_bias", False), ("tie_word_embeddings", False)),
    ),
    "phi3": _Architecture(MODEL_ARCH.PHI3),
    "starcoder2": _Architecture(
        MODEL_ARCH.STARCODER2, assumes=(("hidden_act", "gelu_pytorch_tanh"), ("use_bias", True))
    ),
    "granite": _Architecture(
        MODEL_ARCH.GRANITE,
        rotates_neighbours=True,
        scales=(
            ("attention_multiplier", "add_attention_scale"),
            ("embedding_multiplier", "add_embedding_scale"),
            ("residual_multiplier", "add_residual_scale"),
            ("logits_scaling", "add_logit_scale"),
        ),
    ),
}

_FORMATS = {
    torch.float32: (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    torch.float16: (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    torch.bfloat16: (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
}


def write_gguf(dense: Path, file: Path) -> None:
    """Write a dense model with its tokenizer as GGUF, unquantised: matrices in the checkpoint's dtype, others float32.

    llama.cpp has no sliding attention window for these families, so the context length is cut to the window: within
    it both compute the same. Tensors are read and written one at a time.

    Args:
        dense: folder in Hugging Face format, with its tokenizer.
        file: to create; one that exists, does not fit on the disk or is being made elsewhere raises OutputError.

    Raises:
        BaseModelError: the architecture, one of its settings, or the tokenizer cannot be written.
    """
    refuse_existing(file)
    config = load_config(dense)
    architecture = _architecture(config)
    reader = CheckpointReader(dense, "model")
    tensors = [
        _GgufTensor(key, _name(key, config, architecture), shape, _dtype(key, shape, reader.dtype(key)))
        for key, shape in reader.shapes.items()
        if not (key == "lm_head.weight" and config.tie_word_embeddings)
    ]
    require_space(file.parent, sum(tensor.num_bytes for tensor in tensors) + _SPARE_BYTES)
    create_folder(file.parent, file)
    with held_file(file):
        partial = file.with_name(f".{file.name}.partial")
        try:
            writer = GGUFWriter(partial, MODEL_ARCH_NAMES[architecture.arch])
            try:
                writer.add_type(GGUFType.MODEL)
                writer.add_name(file.stem)
                writer.add_file_type(_FORMATS[max(tensors, key=lambda tensor: tensor.num_bytes).dtype][1])
                writer.add_quantization_version(GGML_QUANT_VERSION)
                _add_metadata(writer, dense, config, architecture)
                _write_tensors(writer, tensors, reader, config, architecture)
            finally:
                writer.close()
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def require_writable(dense: Path) -> None:
    """Refuse what `write_gguf` refuses but for the tensors: the folder needs no more than config.json and tokenizer."""
    config = load_config(dense)
    architecture = _architecture(config)
    _add_metadata(GGUFWriter(None, MODEL_ARCH_NAMES[architecture.arch]), dense, config, architecture)


@dataclass(frozen=True)
class _GgufTensor:
    """One tensor of the file: the key in the checkpoint, the name in GGUF, and what is written."""

    key: str
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def _architecture(config: PreTrainedConfig) -> _Architecture:
    """The table entry of a model, after checking that llama.cpp can compute it with its settings."""
    values: Any = config
    architecture = _ARCHITECTURES.get(config.model_type)
    if architecture is None:
        raise _unsupported(config, f"it is not among {', '.join(_ARCHITECTURES)}")
    for key, assumed in architecture.assumes:
        if (value := getattr(config, key)) != assumed:
            raise _unsupported(config, f"llama.cpp computes it only with {key} {assumed}, not {value}")
    rope_type = values.rope_parameters["rope_type"]
    if rope_type not in ("default", "linear") and (rope_type, architecture.arch) != ("llama3", MODEL_ARCH.LLAMA):
        raise _unsupported(config, f"its rotary embedding is scaled by {rope_type}")
    return architecture


def _name(key: str, config: PreTrainedConfig, architecture: _Architecture) -> str:
    names = get_tensor_name_map(architecture.arch, config.num_hidden_layers)
    name = names.get_name(key, try_suffixes=(".weight", ".bias"))
    if name is None:
        raise _unsupported(config, f"its tensor {key} has no name there")
    return name


def _dtype(key: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.dtype:
    """llama.cpp wants norms and biases in float32."""
    return torch.float32 if len(shape) == 1 or key.endswith("norm.weight") else dtype


def _add_metadata(writer: GGUFWriter, dense: Path, config: PreTrainedConfig, architecture: _Architecture) -> None:
    values: Any = config
    head_size = getattr(config, "head_dim", None) or values.hidden_size // values.num_attention_heads
    rope = values.rope_parameters
    writer.add_vocab_size(values.vocab_size)
    window = getattr(config, "sliding_window", None) or values.max_position_embeddings
    writer.add_context_length(min(values.max_position_embeddings, window))
    writer.add_embedding_length(values.hidden_size)
    writer.add_block_count(values.num_hidden_layers)
    writer.add_feed_forward_length(values.intermediate_size)
    writer.add_head_count(values.num_attention_heads)
    writer.add_head_count_kv(values.num_key_value_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(int(head_size * rope.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(values.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(values.norm_epsilon)
    for key, method in architecture.scales:
        getattr(writer, method)(getattr(config, key))
    add_tokenizer(writer, dense, config.vocab_size)


def _write_tensors(
    writer: GGUFWriter,
    tensors: list[_GgufTensor],
    reader: CheckpointReader,
    config: PreTrainedConfig,
    architecture: _Architecture,
) -> None:
    frequencies = list(_rope_frequencies(config))
    for values in frequencies:
        writer.add_tensor_info(_ROPE_FREQUENCIES, values.shape, values.dtype, values.nbytes)
    for tensor in tensors:
        form = _FORMATS[tensor.dtype][0]
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), tensor.num_bytes, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for values in frequencies:
        writer.write_tensor_data(values)
    for tensor in tensors:
        values = reader.read(tensor.key).to(tensor.dtype)
        if architecture.rotates_neighbours:
            values = _rows_in_neighbouring_order(tensor.key, values, config)
        writer.write_tensor_data(values.contiguous().view(torch.uint8).numpy())


def _rows_in_neighbouring_order(key: str, values: Tensor, config: PreTrainedConfig) -> Tensor:
    """Rows of q and k so that the two that rotary embedding turns together, half a head apart, become neighbours."""
    num_heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(key.split(".")[-2])
    if num_heads is None:
        return values
    return values.unflatten(0, (num_heads, 2, -1)).transpose(1, 2).reshape(values.shape)


def _rope_frequencies(config: PreTrainedConfig) -> Iterator[np.ndarray]:
    """By how much Llama 3 divides each rotary frequency, as a tensor of its own."""
    rope = config.rope_parameters
    if rope["rope_type"] == "llama3":
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        exponents = torch.arange(len(scaled)) / len(scaled)
        yield (rope["rope_theta"] ** -exponents / scaled).numpy()


def _unsupported(config: PreTrainedConfig, reason: str) -> BaseModelError:
    return BaseModelError(f"GGUF for {config.model_type}: {reason}; convert with llama.cpp's convert_hf_to_gguf.py")
