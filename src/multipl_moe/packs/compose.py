"""A model of a base and several packs: each pack's gate decides for itself, and a pack can be added or left out."""

import hashlib
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path

import torch

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_moe.checkpoints.base import base_licence, hub_id, resolve_base
from multipl_moe.checkpoints.linked import bytes_to_write, write_beside_base
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import PEFT_PREFIX, CheckpointReader, TensorPlan, copy_companions
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.folder import require_fit
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of
from multipl_moe.model.float32_buffers import stays_float32
from multipl_moe.model.moe_config import PACK
from multipl_moe.packs.files import ADAPTER_FILE, GATE_FILE, PACK_FILE, Pack, base_digest, require_name
from multipl_moe.runs.folder import write_json
from multipl_moe.system.staging import refuse_existing, require_space, staged_folder

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
    family_of(base_config, folder)
    config = MultiplMoeConfig(
        text_config=base_config, packs={name: pack.moe.to_dict() for name, pack in loaded.items()}
    )
    reader = CheckpointReader(folder)
    on_step("weights of the base, to know it again")
    require_base(loaded, packs, folder, base)
    plans = [reader.plan(key) for key in reader.shapes]
    for name, pack_folder in packs.items():
        plans += _of_pack(name, pack_folder, reader)
    config.architectures = ["MultiplMoeForCausalLM"]
    config.dtype = reduce(torch.promote_types, {plan.dtype for plan in plans if not stays_float32(plan.name)})
    require_fit("--pack: " + " and ".join(map(str, packs.values())), config, plans, f"the base and {PACK_FILE}")
    require_space(output, bytes_to_write(plans, output) + _SPARE_BYTES)
    with staged_folder(output) as staging:
        on_step("weights")
        copy_companions(folder, staging)
        write_beside_base(plans, staging, on_progress)
        config.save_pretrained(staging)
        record = {"base": base, "base_hub_id": hub_id(base), "base_licence": base_licence(base, folder)}
        record["packs"] = {
            name: {"languages": pack.languages, "trained": pack.trained} for name, pack in loaded.items()
        }
        write_json(staging / "upcycle.json", record)
    return config


def model_of(folder: Path) -> Path:
    """The folder of a model itself; for a pack that of a model of its base and it, put together once in the cache.

    Raises:
        BaseModelError: the base is not found by the name in pack.json, or has other weights.
    """
    if not (folder / PACK_FILE).is_file():
        return folder
    pack, digest = Pack.load(folder), hashlib.sha256()
    for file in (PACK_FILE, ADAPTER_FILE, GATE_FILE):
        digest.update((folder / file).read_bytes() if (folder / file).is_file() else b"")
    made = cache_folder() / f"pack-{digest.hexdigest()[:16]}"
    with cache_lock(made):
        if not made.is_dir():
            pack.base_folder(f"use `multipl-moe compose MODEL --base FOLDER --pack {folder}`, and give MODEL")
            compose(pack.base.name, {PACK: folder}, made)
    return made


def require_base(packs: Mapping[str, Pack], folders: Mapping[str, Path], folder: Path, base: str) -> None:
    """Raise BaseModelError for packs whose base, in the dtype that they know it in, is not that in `folder`."""
    reader, is_tied = CheckpointReader(folder), load_config(folder).tie_word_embeddings
    dtypes = {pack.base.dtype for pack in packs.values()}
    digests = {dtype: base_digest(reader, getattr(torch, dtype), is_tied=is_tied) for dtype in dtypes}
    if wrong := [name for name, pack in packs.items() if pack.base.sha256 != digests[pack.base.dtype]]:
        told = "; ".join(f"{folders[name]} goes with {packs[name].base.name}" for name in wrong)
        raise BaseModelError(
            f"--base: {base} has other weights than {' and '.join(wrong)} were trained on ({told}); give that one"
        )


def _of_pack(name: str, folder: Path, base: CheckpointReader) -> list[TensorPlan]:
    prefix = next(key for key in base.shapes if ".layers." in key).partition("layers.")[0]
    plans, reader = [], CheckpointReader(folder, role="pack")
    if lost := [file for file in (ADAPTER_FILE, GATE_FILE) if file not in reader.files.values()]:
        raise BaseModelError(f"pack: {folder} has no {' and no '.join(lost)}; pack the model anew, or copy it again")
    for key, file in reader.files.items():
        if file == ADAPTER_FILE:
            module, _, factor = key.removeprefix(PEFT_PREFIX).removesuffix(".weight").rpartition(".")
            plans.append(reader.plan(key, f"{module}.adapters.{name}.{factor}"))
        elif file == GATE_FILE:
            plans.append(reader.plan(key, f"{prefix}domain_gates.{name}.{key}"))
    return plans
