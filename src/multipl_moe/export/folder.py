"""`export`: everything that goes into the folder, checked first, staged, and renamed at the end."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import TensorPlan, copy_companions, write_checkpoint
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.full_experts import plan_full_experts, with_full_experts
from multipl_moe.export.gguf import require_writable, write_gguf
from multipl_moe.export.merge import merge_cost, merge_to_dense
from multipl_moe.export.model_card import CardSubject, write_card
from multipl_moe.export.standalone import auto_map, write_code
from multipl_moe.export.weights import main_dtype, plan_cast
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_use import EXPERT_USE_FILE
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import write_json
from multipl_moe.runs.provenance import Provenance
from multipl_moe.system.device import dtype_name
from multipl_moe.system.staging import refuse_existing, require_space, staged_folder

_SPARE_BYTES = 64_000_000
_GENERATION_FILE = "generation_config.json"


@dataclass(frozen=True)
class ExportSettings:
    """What to make of a model.

    Attributes:
        dtype: of the weights; None keeps them as they are.
        max_shard_bytes: largest weights file.
        metrics: file with the measured result, instead of metrics.json of the run.
        corpus: fold the experts into a dense model, and measure on this corpus what that costs; None: do not.
        recipe: languages, eval and seed of that measurement.
        gguf: write the dense model as GGUF too.
        full_experts: write low-rank experts out as full ones.
    """

    dtype: torch.dtype | None = None
    max_shard_bytes: int | None = None
    metrics: Path | None = None
    corpus: Path | None = None
    recipe: Recipe | None = None
    gguf: bool = False
    full_experts: bool = False


@dataclass(frozen=True)
class ExportReport:
    """What was written: the folder, dtype of its weights, and size; what merging cost and the GGUF file, if asked for.

    Loading the model takes `trust_remote_code=True` where it `needs_remote_code`.
    """

    output: Path
    dtype: torch.dtype
    num_files: int
    num_bytes: int
    needs_remote_code: bool
    merge_cost: dict[str, Any] | None
    gguf: Path | None


def export_model(
    model: Path,
    output: Path,
    settings: ExportSettings,
    on_step: Callable[[str], None] = lambda title: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExportReport:
    """Write a model, hybrid or dense, into a folder for others.

    Args:
        model: its folder.
        output: folder to create.
        settings: what to make of it.
        on_step: told what begins.
        on_progress: called with bytes of weights written and bytes in all.

    Raises:
        UserError: the model is broken or cannot be written as asked, `output` exists, or the disk is too small.
    """
    refuse_existing(output)
    config = load_config(model)
    _require_possible(config, settings)
    provenance = Provenance.of(model, settings.metrics)
    plans, dense = plan_cast(model, settings.dtype), config
    if isinstance(config, MultiplMoeConfig):
        _require_fit(model, config, plans)
        if settings.full_experts:
            plans, config = plan_full_experts(model, config, settings.dtype), with_full_experts(config)
        dense = config.base_config
    dtype = settings.dtype or main_dtype(plans)
    num_dense = _num_parameters(dense)
    require_space(output, _num_bytes(plans, num_dense * dtype.itemsize, settings) + _SPARE_BYTES)
    gguf = f"model-{dtype_name(dtype)}.gguf" if settings.gguf else None
    cost = None
    with staged_folder(output) as staging:
        on_step("weights")
        copy_companions(model, staging)
        _write_generation_config(staging, dense)
        if gguf is not None:  # found out now, and not once the model is merged and measured
            dense.save_pretrained(staging)
            require_writable(staging)
        if settings.corpus is not None:
            cost = _write_merged(model, staging, settings, on_step)
        else:
            _write_as_it_is(model, staging, config, dtype)
            write_checkpoint(plans, staging, on_progress, settings.max_shard_bytes)
        if gguf is not None:
            on_step("GGUF")
            write_gguf(staging, staging / gguf)
        provenance.save(staging)
        write_card(staging, CardSubject(output.absolute().name, config, dtype, num_dense, cost, gguf), provenance)
    sizes = [file.stat().st_size for file in output.iterdir()]
    is_standalone = isinstance(config, MultiplMoeConfig) and cost is None
    return ExportReport(output, dtype, len(sizes), sum(sizes), is_standalone, cost, output / gguf if gguf else None)


def _require_possible(config: PreTrainedConfig, settings: ExportSettings) -> None:
    is_hybrid, merges = isinstance(config, MultiplMoeConfig), settings.corpus is not None
    if merges and not is_hybrid:
        raise ConfigError(f"--merge: the model is no hybrid ({config.model_type}); leave it out")
    is_low_rank = isinstance(config, MultiplMoeConfig) and config.moe_config.expert_type == "lora"
    if settings.full_experts and not is_low_rank:
        raise ConfigError("--full-experts: the model has no low-rank experts (moe.expert_type lora); leave it out")
    if settings.full_experts and merges:
        raise ConfigError("--full-experts: --merge folds the experts as they are; leave one of them out")
    if settings.gguf and is_hybrid and not merges:
        raise ConfigError("--gguf: no program reads a hybrid as GGUF; merge it as well: --merge --corpus FOLDER")


def _require_fit(model: Path, config: MultiplMoeConfig, plans: list[TensorPlan]) -> None:
    """Refuse a hybrid whose tensors are not those that its configuration wants: it would not load."""
    with torch.device("meta"):
        skeleton = MultiplMoeForCausalLM(config)
    wanted = {name: tuple(value.shape) for name, value in skeleton.state_dict().items()}
    found = {plan.name: plan.shape for plan in plans}
    missing = wanted.keys() - found.keys() - skeleton.all_tied_weights_keys.keys()
    unfit = [name for name, shape in found.items() if wanted.get(name) != shape]
    if wrong := sorted({*missing, *unfit}):
        raise BaseModelError(f"model: {model}: {len(wrong)} tensors do not fit config.json, first {wrong[0]}")


def _num_parameters(config: PreTrainedConfig) -> int:
    """Parameters of a dense model, tied ones once."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


def _num_bytes(plans: list[TensorPlan], num_dense_bytes: int, settings: ExportSettings) -> int:
    weights = num_dense_bytes if settings.corpus is not None else sum(plan.num_bytes for plan in plans)
    return weights + (num_dense_bytes if settings.gguf else 0)


def _write_as_it_is(model: Path, staging: Path, config: PreTrainedConfig, dtype: torch.dtype) -> None:
    """config.json, and for a hybrid its code and the measured use of its experts."""
    config.dtype = dtype
    if isinstance(config, MultiplMoeConfig):
        config.base_config.dtype = dtype
        config.base_config._name_or_path = ""  # a path of this machine
        config.auto_map = auto_map()
        write_code(staging)
        if (use := model / EXPERT_USE_FILE).is_file():
            shutil.copy2(use, staging / EXPERT_USE_FILE)
    config.save_pretrained(staging)


def _write_merged(
    model: Path, staging: Path, settings: ExportSettings, on_step: Callable[[str], None]
) -> dict[str, Any]:
    """The dense model, and merge.json with the weight of each expert and what merging costs, which is returned."""
    assert settings.corpus is not None
    on_step("merging")
    weights = merge_to_dense(model, staging, settings.dtype)
    on_step("bits per byte of the hybrid and of the merged model")
    cost = merge_cost(settings.recipe or Recipe(), model, staging, settings.corpus)
    write_json(staging / "merge.json", weights | {"cost": cost})
    return cost


def _write_generation_config(staging: Path, base: PreTrainedConfig) -> None:
    """generation_config.json with the base's special tokens where the model came without one."""
    if not (staging / _GENERATION_FILE).is_file():
        ids = {name: getattr(base, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        GenerationConfig(**ids).save_pretrained(staging)
