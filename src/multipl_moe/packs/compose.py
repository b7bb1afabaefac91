"""A model of a base and several packs: each pack's gate decides for itself, and a pack can be added or left out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from multipl_moe.checkpoints.base import base_licence, hub_id, resolve_base
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan, copy_companions, write_checkpoint
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of
from multipl_moe.packs.files import ADAPTER_FILE, GATE_FILE, PACK_FILE, Pack, base_digest, require_name
from multipl_moe.runs.folder import write_json
from multipl_moe.system.staging import refuse_existing, require_space, staged_folder

_PEFT_PREFIX = "base_model.model."
_SPARE_BYTES = 64_000_000


def compose(
    base: str,
    packs: Mapping[str, Path],
    output: Path,
    on_step: Callable[[str], None] = lambda title: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> MultiplMoeConfig:
    """Write a model that is the base with some packs, for `AutoModelForCausalLM` and all commands.

    Where all gates are shut it is the base to the bit; where all but one are, the model with that pack alone.

    Args:
        base: by any name that a recipe can have.
        packs: folders of packs by the name that each gets here.
        output: folder to create.
        on_step: told what begins.
        on_progress: called with bytes of weights written and bytes in all.

    Raises:
        BaseModelError: a pack is of another base, or something cannot be read.
        ConfigError: packs that cannot work in one model.
        OutputError: `output` exists, or the disk has no room.
    """
    refuse_existing(output)
    if not packs:
        raise ConfigError("--pack: give one at least, as --pack rust=packs/rust")
    loaded = {require_name(name): Pack.load(folder) for name, folder in packs.items()}
    folder = resolve_base(base)
    base_config = load_config(folder)
    family_of(base_config)
    config = MultiplMoeConfig(
        text_config=base_config, packs={name: pack.moe.to_dict() for name, pack in loaded.items()}
    )
    config.dtype, config.architectures = base_config.dtype, ["MultiplMoeForCausalLM"]
    reader = CheckpointReader(folder)
    on_step("weights of the base, to know it again")
    _require_base(loaded, packs, base_digest(reader, is_tied=base_config.tie_word_embeddings), base)
    plans = [_as_it_is(reader, key, key) for key in reader.shapes]
    for name, pack_folder in packs.items():
        plans += _of_pack(name, pack_folder, reader)
    require_space(output, sum(plan.num_bytes for plan in plans) + _SPARE_BYTES)
    with staged_folder(output) as staging:
        on_step("weights")
        copy_companions(folder, staging)
        write_checkpoint(plans, staging, on_progress)
        config.save_pretrained(staging)
        record = {"base": base, "base_hub_id": hub_id(base), "base_licence": base_licence(base, folder)}
        write_json(staging / "upcycle.json", record)
    return config


def _require_base(packs: Mapping[str, Pack], folders: Mapping[str, Path], digest: str, base: str) -> None:
    if wrong := [name for name, pack in packs.items() if pack.base["sha256"] != digest]:
        told = "; ".join(f"{folders[name]} goes with {packs[name].base['name']}" for name in wrong)
        raise BaseModelError(
            f"--base: {base} has other weights than {' and '.join(wrong)} were trained on ({told}); give that one"
        )


def _of_pack(name: str, folder: Path, base: CheckpointReader) -> list[TensorPlan]:
    plans, names = [], {ADAPTER_FILE: _adapter_key, GATE_FILE: _gate_key}
    prefix = next(key for key in base.shapes if ".layers." in key).partition("layers.")[0]
    reader = CheckpointReader(folder, role="pack")
    for key, file in reader.files.items():
        plans.append(_as_it_is(reader, key, names[file](key, name, prefix)))
    if not any(plan.name.endswith("lora_A") for plan in plans):
        raise BaseModelError(f"pack: {folder / ADAPTER_FILE} holds no adapter beside {PACK_FILE}; copy the pack again")
    return plans


def _adapter_key(key: str, name: str, prefix: str) -> str:
    module, _, factor = key.removeprefix(_PEFT_PREFIX).removesuffix(".weight").rpartition(".")
    return f"{module}.adapters.{name}.{factor}"


def _gate_key(key: str, name: str, prefix: str) -> str:
    return f"{prefix}domain_gates.{name}.{key}"


def _as_it_is(reader: CheckpointReader, key: str, name: str) -> TensorPlan:
    return TensorPlan(name, reader.shapes[key], reader.dtype(key), lambda: [reader.read(key)])
