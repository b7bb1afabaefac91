"""`export --adapter`: packs as adapters that engines load, with the means to know that one is really on."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, get_tensor_name_map
from safetensors.torch import load_file
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import PEFT_PREFIX, CheckpointReader
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.gguf import GgufFiles, require_writable, write_gguf
from multipl_moe.export.gguf_architectures import gguf_architecture, unsupported
from multipl_moe.export.model_card import CARD_FILE
from multipl_moe.export.weights import in_neighbouring_order
from multipl_moe.packs.canary import CANARY_FILE, Canary, canaries_of, save_canaries
from multipl_moe.packs.card import adapters_card
from multipl_moe.packs.files import ADAPTER_FILE, CONFIG_FILE, GATE_FILE, PACK_FILE, Pack, base_of
from multipl_moe.runs.folder import read_json
from multipl_moe.system.staging import refuse_existing, staged_folder

TOKENIZER_FOLDER = "tokenizer"
_TAKEN = {"base", "auto", "composed", TOKENIZER_FOLDER}  # names of other things, in the folder or for clients
_FILES = (CONFIG_FILE, ADAPTER_FILE, GATE_FILE, PACK_FILE, CARD_FILE)  # a pack's own; the export may lie beside them
# Bases that are not written as GGUF here, but elsewhere.
_OTHERS = {"gemma2": MODEL_ARCH.GEMMA2, "gemma3_text": MODEL_ARCH.GEMMA3}


@dataclass(frozen=True)
class AdapterExport:
    """What was written.

    Attributes:
        canaries: of each adapter: a folder in PEFT's format, and NAME.gguf unless `without_gguf` says why not.
        without_gguf: why llama.cpp cannot have them; None: it can.
    """

    canaries: dict[str, list[Canary]]
    without_gguf: str | None


def export_adapters(
    packs: Mapping[str, Path],
    output: Path,
    base: str | None = None,
    *,
    gguf: bool = False,
    quantise: tuple[str, ...] = (),
    on_step: Callable[[str], None] = lambda title: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> AdapterExport:
    """Write packs of one base as adapters: PEFT folders, GGUF files, canary.json, Ollama's Modelfiles, and a card.

    Args:
        packs: folders of packs by the name that each adapter gets.
        base: by any name that a recipe can have; None: the one that pack.json names.
        gguf: write the base as GGUF too, in the type of its weights.
        quantise: kinds of quantised files of the base, as in `llama_cpp.QUANTISED`.
        on_progress: called with bytes of weights written and bytes in all.

    Raises:
        UserError: a pack is of another base, something cannot be read or written, or `output` exists.
    """
    refuse_existing(output)
    if taken := [name for name in packs if name in _TAKEN or name.startswith(("auto-", "base-"))]:
        raise ConfigError(f"pack: {' and '.join(taken)} means something else here; give another name, NAME=FOLDER")
    loaded = {name: Pack.load(folder) for name, folder in packs.items()}
    for name, pack in loaded.items():
        _require_its_scale(packs[name] / CONFIG_FILE, pack)
    base, folder = base_of(loaded, base)
    config, dtype = load_config(folder), CheckpointReader(folder).weights_dtype
    files = GgufFiles("base", dtype, quantise) if gguf else None
    if files is not None:
        require_writable(folder)
    with staged_folder(output) as staging:
        scratch = staging / "composed"
        canaries, tokenizer = canaries_of(base, packs, scratch, on_step=on_step, on_progress=on_progress)
        tokenizer.save_pretrained(staging / TOKENIZER_FOLDER)  # for the gates
        save_canaries(staging / CANARY_FILE, canaries)
        on_step("adapters")
        base_gguf = files.names[-1] if files is not None else None
        without_gguf = _write_adapters(packs, config, base_gguf or "BASE.gguf", staging)
        if files is not None:
            files.write(staging, on_step, partial(write_gguf, folder, name=files.model))
        card = adapters_card(output.absolute().name, base, loaded, base_gguf, with_gguf=without_gguf is None)
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
    return AdapterExport(canaries, without_gguf)


def _write_adapters(packs: Mapping[str, Path], config: PreTrainedConfig, base_gguf: str, folder: Path) -> str | None:
    """Write each pack for peft and vLLM, and for llama.cpp and Ollama; returns why these cannot have it, if so."""
    for name, pack in packs.items():
        (folder / name).mkdir()
        for file in _FILES:
            if (pack / file).is_file():
                shutil.copy2(pack / file, folder / name)
    try:
        for name, pack in packs.items():
            write_adapter_gguf(pack, config, folder / f"{name}.gguf")
    except BaseModelError as error:
        return str(error)
    for name in packs:
        (folder / f"{name}.Modelfile").write_text(f"FROM ./{base_gguf}\nADAPTER ./{name}.gguf\n", encoding="utf-8")
    return None


def _require_its_scale(file: Path, pack: Pack) -> None:
    """Raise BaseModelError where PEFT's settings, by which engines read a pack, are lost or of another scale."""
    try:
        settings = read_json(file)
        scale = settings["lora_alpha"] / settings["r"]
    except (OSError, ValueError, TypeError, KeyError, ZeroDivisionError) as error:
        raise BaseModelError(f"pack: {file}, by which engines read it, cannot be read; copy the pack again") from error
    if scale != (its_own := pack.moe.experts.scale):
        raise BaseModelError(
            f"pack: {file} has lora_alpha / r {scale:g}, and {PACK_FILE} {its_own:g}; copy the pack again"
        )


def write_adapter_gguf(adapter: Path, base: PreTrainedConfig, file: Path) -> None:
    """Write an adapter's factors in float32, as llama.cpp's `convert_lora_to_gguf.py` does.

    llama.cpp puts such a file on a base, at a scale that each request may give. A file that is there is written anew.

    Args:
        adapter: folder of a pack.
        base: configuration of the model that it goes with.

    Raises:
        BaseModelError: llama.cpp does not compute this base, or has no name for a matrix.
    """
    arch, turns = _OTHERS.get(base.model_type), False
    if arch is None:
        architecture = gguf_architecture(base)
        arch, turns = architecture.arch, architecture.rotates_neighbours
    names = get_tensor_name_map(arch, base.num_hidden_layers)
    with closing(GGUFWriter(file, MODEL_ARCH_NAMES[arch])) as writer:
        writer.add_type("adapter")
        writer.add_name(file.stem)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", Pack.load(adapter).moe.experts.alpha)
        for key, values in load_file(adapter / ADAPTER_FILE).items():
            module, _, factor = key.removeprefix(PEFT_PREFIX).removesuffix(".weight").rpartition(".")
            name = names.get_name(module)
            if name is None:
                raise unsupported(base, f"its matrix {module} has no name there")
            rows = in_neighbouring_order(module, values, base) if turns and factor == "lora_B" else values
            writer.add_tensor(f"{name}.weight.{factor.lower()}", rows.float().contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
