"""A model, dense or a native mixture of experts, and quantised copies of it as GGUF files, for llama.cpp and others."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gguf import (
    GGML_QUANT_VERSION,
    GGMLQuantizationType,
    GGUFType,
    GGUFWriter,
    LlamaFileType,
    Metadata,
    get_tensor_name_map,
    size_label,
)
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from multipl_moe.checkpoints.base import card_header
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.export.gguf_architectures import (
    GgufArchitecture,
    add_hyperparameters,
    gguf_architecture,
    unsupported,
)
from multipl_moe.export.gguf_tokenizer import add_tokenizer
from multipl_moe.export.llama_cpp import load_llama_cpp, quantise
from multipl_moe.export.weights import in_neighbouring_order
from multipl_moe.system.staging import require_space, staged_file

_SPARE_BYTES = 16_000_000
_ROPE_FREQUENCIES = "rope_freqs.weight"
_EXPERT = re.compile(r"\.experts\.(\d+)\.")
# llama.cpp wants these in float32, as it does norms and biases.
_ROUTER = "ffn_gate_inp.weight"

_FORMATS = {
    torch.float32: (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    torch.float16: (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    torch.bfloat16: (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
}


def write_gguf(model: Path, file: Path, name: str | None = None) -> None:
    """Write a model with its tokenizer as GGUF, unquantised: matrices in the checkpoint's dtype, others float32.

    llama.cpp has no sliding attention window for these families, so the context length is cut to the window: within
    it both compute the same. Licence, base, languages and tags are those of the model card in the folder. Tensors are
    read and written one at a time, those of a layer's experts that are stacked being the largest.

    Args:
        model: folder in Hugging Face format, with its tokenizer.
        file: to create, in a folder that exists; one that exists, does not fit on the disk or is being made elsewhere
            raises OutputError.
        name: of the model, as programs show it; the file's by default.

    Raises:
        BaseModelError: the architecture, one of its settings, or the tokenizer cannot be written.
    """
    config = load_config(model)
    architecture = gguf_architecture(config)
    plans = gguf_tensors(CheckpointReader(model, "model"), config, architecture)

    def describe(writer: GGUFWriter) -> None:
        gguf_metadata(model, name or file.stem, config, plans).set_gguf_meta_model(writer)
        add_hyperparameters(writer, config, architecture)
        add_tokenizer(writer, model, config.vocab_size)

    write_gguf_file(file, architecture.name, plans, describe)


@dataclass(frozen=True)
class GgufFiles:
    """GGUF files of one model, named as hubs and Ollama expect: MODEL-TYPE.gguf.

    Attributes:
        model: its name.
        dtype: of the exported weights.
        kinds: of quantised files, best first.

    Raises:
        ConfigError: quantised ones are wanted, and llama.cpp is not installed.
    """

    model: str
    dtype: torch.dtype
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kinds:
            load_llama_cpp()

    @property
    def names(self) -> list[str]:
        """File names, the unquantised one first."""
        return [f"{self.model}-{kind}.gguf" for kind in (_FORMATS[self.dtype][0].name, *self.kinds)]

    def write(self, folder: Path, on_step: Callable[[str], None], write: Callable[[Path], None]) -> None:
        """Write them into a folder, the unquantised one by `write`; raises as that does, and as `quantise`."""
        on_step("GGUF")
        whole, *quantised = (folder / name for name in self.names)
        write(whole)
        for kind, file in zip(self.kinds, quantised, strict=True):
            on_step(f"GGUF {kind}")
            quantise(whole, file, kind)


def write_gguf_file(
    file: Path, architecture: str, plans: list[TensorPlan], describe: Callable[[GGUFWriter], None]
) -> None:
    """Write a model's tensors, one at a time, after what `describe` adds of it; raises OutputError as `write_gguf`."""
    require_space(file.parent, sum(plan.num_bytes for plan in plans) + _SPARE_BYTES)
    with staged_file(file) as unfinished, closing(GGUFWriter(unfinished, architecture)) as writer:
        writer.add_type(GGUFType.MODEL)
        writer.add_file_type(_FORMATS[max(plans, key=lambda plan: plan.num_bytes).dtype][1])
        writer.add_quantization_version(GGML_QUANT_VERSION)
        describe(writer)
        for plan in plans:
            form = _FORMATS[plan.dtype][0]
            writer.add_tensor_info(plan.name, plan.shape, np.dtype(np.float32), plan.num_bytes, raw_dtype=form)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for plan in plans:
            values = torch.cat([piece.to(plan.dtype).flatten() for piece in plan.pieces()])
            writer.write_tensor_data(values.view(torch.uint8).numpy())


def require_writable(model: Path) -> None:
    """Refuse what `write_gguf` refuses but for the tensors: the folder needs no more than config.json and tokenizer."""
    config = load_config(model)
    architecture = gguf_architecture(config)
    writer = GGUFWriter(None, architecture.name)
    add_hyperparameters(writer, config, architecture)
    add_tokenizer(writer, model, config.vocab_size)


def gguf_tensors(
    reader: CheckpointReader, config: PreTrainedConfig, architecture: GgufArchitecture
) -> list[TensorPlan]:
    """The tensors of a GGUF file, with their names and the order of rows there; raises BaseModelError for others."""
    names = get_tensor_name_map(architecture.arch, config.num_hidden_layers)
    plans = list(_rope_frequencies(config))
    for key, keys in _without_numbers(reader).items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if key.endswith(architecture.absent):
            if reader.read(key).any():
                raise unsupported(config, f"its tensor {key} is not 0")
            continue
        shape, dtype = reader.shapes[keys[0]], reader.dtype(keys[0])
        if key != keys[0]:
            shape = (len(keys), *shape)
        elif key.endswith("e_score_correction_bias"):
            key, shape = key.replace("_bias", ".bias"), shape[1:]
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise unsupported(config, f"its tensor {key} has no name there")
        stays_float32 = len(shape) == 1 or name.endswith(("norm.weight", _ROUTER))
        turned = config if architecture.rotates_neighbours else None
        read = partial(_values, reader, keys, turned)
        plans.append(TensorPlan(name, shape, torch.float32 if stays_float32 else dtype, read))
    return plans


def _values(reader: CheckpointReader, keys: list[str], turned: PreTrainedConfig | None) -> Iterator[Tensor]:
    """One tensor, or those of all experts one after the other; with `turned` in neighbouring order."""
    for key in keys:
        values = reader.read(key)
        yield values if turned is None else in_neighbouring_order(key, values, turned)


def _without_numbers(reader: CheckpointReader) -> dict[str, list[str]]:
    """The checkpoint's keys by what they are without the numbers of experts, in the order of these."""
    keys: dict[str, list[tuple[int, str]]] = {}
    for key in reader.shapes:
        number = int(match[1]) if (match := _EXPERT.search(key)) else 0
        keys.setdefault(_EXPERT.sub(".experts.", key), []).append((number, key))
    return {name: [key for _, key in sorted(numbered)] for name, numbered in keys.items()}


def gguf_metadata(model: Path, name: str, config: PreTrainedConfig, tensors: list[TensorPlan]) -> Metadata:
    """Name and sizes of a model for GGUF, and what its card says of licence, base, languages and tags."""
    total = sum(torch.Size(tensor.shape).numel() for tensor in tensors)
    stacked = sum(torch.Size(tensor.shape).numel() for tensor in tensors if len(tensor.shape) == 3)
    num_experts = getattr(config, "moe_num_experts", 0)
    metadata, card = Metadata(name=name), card_header(model)
    metadata.size_label = size_label(total, total - stacked, stacked // max(num_experts, 1), num_experts)
    licences, languages, tags, bases = (_texts(card.get(key)) for key in ("license", "language", "tags", "base_model"))
    metadata.license, metadata.languages, metadata.tags = ",".join(licences) or None, languages or None, tags or None
    for base in bases[:1]:
        owner, _, short = base.rpartition("/")
        where = {"organization": owner, "repo_url": f"https://huggingface.co/{base}"} if owner else {}
        metadata.base_models = [{"name": short} | where]
    return metadata


def _texts(value: object) -> list[str]:
    """The texts among what a card says: one, or those of a list."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def _rope_frequencies(config: PreTrainedConfig) -> Iterator[TensorPlan]:
    """By how much Llama 3 divides each rotary frequency, as a tensor of its own."""
    rope = config.rope_parameters
    if rope["rope_type"] == "llama3":
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        exponents = torch.arange(len(scaled)) / len(scaled)
        divisors = rope["rope_theta"] ** -exponents / scaled
        yield TensorPlan.of(_ROPE_FREQUENCIES, divisors)
