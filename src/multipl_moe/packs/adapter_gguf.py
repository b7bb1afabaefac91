"""A LoRA in PEFT's format as one GGUF file, which llama.cpp puts on a base, at a scale that each request may give."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, get_tensor_name_map
from safetensors import safe_open
from torch import Tensor
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.tensors import PEFT_PREFIX
from multipl_moe.export.gguf import rows_for_llama_cpp
from multipl_moe.export.gguf_architectures import gguf_architecture, unsupported
from multipl_moe.packs.files import ADAPTER_FILE
from multipl_moe.runs.folder import read_json
from multipl_moe.system.staging import refuse_existing

# Bases that are not written as GGUF here, but elsewhere.
_OTHERS = {"gemma2": MODEL_ARCH.GEMMA2, "gemma3_text": MODEL_ARCH.GEMMA3}


def write_adapter_gguf(adapter: Path, base: PreTrainedConfig, file: Path) -> None:
    """Write an adapter's factors in float32, as llama.cpp's `convert_lora_to_gguf.py` does.

    Args:
        adapter: folder with adapter_config.json and adapter_model.safetensors.
        base: configuration of the model that it goes with.

    Raises:
        BaseModelError: llama.cpp does not compute this base, or has no name for a matrix.
        OutputError: `file` exists.
    """
    refuse_existing(file)
    settings = read_json(adapter / "adapter_config.json")
    other = _OTHERS.get(base.model_type)
    architecture = None if other else gguf_architecture(base)
    arch = other or architecture.arch  # pyright: ignore[reportOptionalMemberAccess]
    writer = GGUFWriter(file, MODEL_ARCH_NAMES[arch])
    try:
        writer.add_type("adapter")
        writer.add_name(file.stem)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", float(settings["lora_alpha"]))
        turns = architecture is not None and architecture.rotates_neighbours
        for name, values in _factors(adapter, base, arch, turns=turns):
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _factors(
    adapter: Path, base: PreTrainedConfig, arch: MODEL_ARCH, *, turns: bool
) -> Iterator[tuple[str, np.ndarray]]:
    names = get_tensor_name_map(arch, base.num_hidden_layers)
    with safe_open(adapter / ADAPTER_FILE, "pt") as stored:
        for key in stored.keys():  # noqa: SIM118 (no mapping)
            module, _, factor = key.removeprefix(PEFT_PREFIX).removesuffix(".weight").rpartition(".")
            name = names.get_name(module)
            if name is None:
                raise unsupported(base, f"its matrix {module} has no name there")
            values: Tensor = stored.get_tensor(key).float()
            if turns and factor == "lora_B":
                values = rows_for_llama_cpp(module, values, base)
            yield f"{name}.weight.{factor.lower()}", values.contiguous().numpy()
