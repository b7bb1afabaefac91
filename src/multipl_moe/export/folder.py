"""`export`: everything that goes into the folder, checked first, staged, and renamed at the end."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import TensorPlan, copy_companions, write_checkpoint
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.gguf import GgufFiles, require_writable, write_gguf
from multipl_moe.export.merge import merge_cost, merge_to_dense
from multipl_moe.export.model_card import CardSubject, write_card
from multipl_moe.export.native import native_config, plan_native, require_equal, require_native, require_no_bias
from multipl_moe.export.standalone import auto_map, write_code
from multipl_moe.export.weights import main_dtype, plan_cast, plan_full_experts
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.expert_use import EXPERT_USE_FILE
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import write_json
from multipl_moe.runs.provenance import Provenance
from multipl_moe.runs.result import MergeCost
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
        gguf: write the dense or native model as GGUF too.
        quantise: quantised GGUF files beside it, of the kinds in `llama_cpp.QUANTISED`.
        full_experts: write low-rank experts out as full ones.
        native: write the architecture of transformers that holds the hybrid exactly, instead of the hybrid's own.
        merge_for: languages whose use of the experts decides what a merged model is made of; none: all measured.
        anyway: write a merged model even if it is not better than its base.
    """

    dtype: torch.dtype | None = None
    max_shard_bytes: int | None = None
    metrics: Path | None = None
    corpus: Path | None = None
    recipe: Recipe | None = None
    gguf: bool = False
    quantise: tuple[str, ...] = ()
    full_experts: bool = False
    native: bool = False
    merge_for: tuple[str, ...] = ()
    anyway: bool = False

    @property
    def merges(self) -> bool:
        """Whether the experts are folded into a dense model."""
        return self.corpus is not None


@dataclass(frozen=True)
class ExportReport:
    """What was written: the folder, dtype of its weights, and size; what merging cost and the GGUF files, if asked for.

    Loading the model takes `trust_remote_code=True` where it `needs_remote_code`. A native model has its architecture's
    name in `native`, and in `difference` the largest difference of a logit from the hybrid's, in float32.
    """

    output: Path
    dtype: torch.dtype
    num_files: int
    num_bytes: int
    needs_remote_code: bool
    merge_cost: MergeCost | None
    gguf: tuple[Path, ...]
    native: str | None
    difference: float | None


def export_model(
    model: Path,
    output: Path,
    settings: ExportSettings,
    on_step: Callable[[str], None] = lambda title: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExportReport:
    """Write a model, hybrid or dense, into a folder for others.

    Args:
        on_progress: called with bytes of weights written and bytes in all.

    Raises:
        UserError: the model is broken or cannot be written as asked, `output` exists, or the disk is too small.
    """
    refuse_existing(output)
    config = load_config(model)
    _require_possible(config, settings)
    provenance = Provenance.of(model, settings.metrics)
    planned, name = _plan(model, config, settings), output.absolute().name
    gguf = GgufFiles(name, planned.dtype, settings.quantise) if settings.gguf else None
    require_space(output, planned.num_bytes(settings) + _SPARE_BYTES)
    cost = difference = None
    with staged_folder(output) as staging:
        on_step("weights")
        copy_companions(model, staging)
        _write_config(model, staging, planned)
        if gguf is not None:  # found out now, and not once the model is merged and measured
            require_writable(staging)
        if settings.merges:
            cost = _write_merged(model, staging, settings, provenance, on_step)
        else:
            write_checkpoint(planned.tensors, staging, on_progress, settings.max_shard_bytes)
        if settings.native:
            on_step("comparing with the hybrid")
            difference = require_equal(model, staging, planned.dtype)
        provenance.save(staging)
        native = planned.written.model_type if settings.native else None
        names = tuple(gguf.names) if gguf is not None else ()
        subject = CardSubject(
            name, planned.config, planned.dtype, planned.num_parameters, cost, names, native, difference
        )
        write_card(staging, subject, provenance)
        if gguf is not None:
            gguf.write(staging, on_step, partial(write_gguf, staging, name=name))
            (staging / "Modelfile").write_text(f"FROM ./{gguf.names[-1]}\n", encoding="utf-8")  # for Ollama
    sizes = [file.stat().st_size for file in output.iterdir()]
    files = tuple(output / name for name in names)
    is_standalone = subject.kind == "hybrid"
    return ExportReport(output, planned.dtype, len(sizes), sum(sizes), is_standalone, cost, files, native, difference)


@dataclass(frozen=True)
class _Planned:
    """`config` is what the card tells of: the hybrid's, wherever there is one; `tensors` are of no merged model."""

    config: PreTrainedConfig
    written: PreTrainedConfig
    tensors: list[TensorPlan]
    dtype: torch.dtype

    @cached_property
    def num_parameters(self) -> int:
        """Parameters of what is written, tied ones once."""
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(self.written)
        model.tie_weights()
        return sum(parameter.numel() for parameter in model.parameters())

    def num_bytes(self, settings: ExportSettings) -> int:
        """Bytes of weights in all files, where quantised ones take 3/5 of the others at most."""
        whole = self.num_parameters * self.dtype.itemsize
        weights = whole if settings.merges else sum(tensor.num_bytes for tensor in self.tensors)
        return weights + whole * settings.gguf + whole * len(settings.quantise) * 3 // 5


def _plan(model: Path, config: PreTrainedConfig, settings: ExportSettings) -> _Planned:
    tensors = plan_cast(model, settings.dtype)
    dtype = settings.dtype or main_dtype(tensors)
    if not isinstance(config, MultiplMoeConfig):
        return _Planned(config, config, tensors, dtype)
    require_fit(f"model: {model}", config, tensors)
    if settings.merges:
        return _Planned(config, config.base_config, tensors, dtype)
    if settings.native:
        require_native(config)
        require_no_bias(model, config)
        native = native_config(config)
        return _Planned(config, native, plan_native(model, native, dtype), dtype)
    if settings.full_experts:
        tensors, config = plan_full_experts(model, config, settings.dtype)
    return _Planned(config, config, tensors, dtype)


def _require_possible(config: PreTrainedConfig, settings: ExportSettings) -> None:
    moe, merges = config.moe_config if isinstance(config, MultiplMoeConfig) else None, settings.merges
    if merges and moe is None:
        raise ConfigError(f"--merge: the model is not a hybrid ({config.model_type}); leave it out")
    if settings.full_experts and (moe is None or EXPERT_KINDS[moe.experts.type].is_copied or not moe.is_routed):
        why = "the model has no low-rank experts (moe.experts.type lora) that routers choose from"
        raise ConfigError(f"--full-experts: {why}; leave it out")
    if settings.full_experts and merges:
        raise ConfigError("--full-experts: --merge folds the experts as they are; leave one of them out")
    if settings.native and moe is None:
        raise ConfigError(f"--native: the model is not a hybrid ({config.model_type}) but native already; leave it out")
    if settings.native and (merges or settings.full_experts):
        other = "--merge" if merges else "--full-experts"
        raise ConfigError(f"--native: it writes another model than {other}; leave one of them out")
    if settings.gguf and moe is not None and not merges and not settings.native:
        raise ConfigError(
            "--gguf: no program reads a hybrid as GGUF; add --native, or merge it as well: --merge --corpus FOLDER"
        )
    if settings.quantise and not settings.gguf:
        raise ConfigError("--quantise: only GGUF files are quantised; add --gguf")


def require_fit(
    where: str, config: MultiplMoeConfig, plans: list[TensorPlan], described_in: str = "config.json"
) -> None:
    """Refuse tensors that are not those that a configuration wants: the model would not load.

    Raises:
        BaseModelError: `where`, and the first tensor that is missing, left over or of another shape.
    """
    with torch.device("meta"):
        skeleton = MultiplMoeForCausalLM(config)
    wanted = {name: tuple(value.shape) for name, value in skeleton.state_dict().items()}
    found = {plan.name: plan.shape for plan in plans}
    missing = wanted.keys() - found.keys() - skeleton.all_tied_weights_keys.keys()
    unfit = [name for name, shape in found.items() if wanted.get(name) != shape]
    if wrong := sorted({*missing, *unfit}):
        raise BaseModelError(f"{where}: {len(wrong)} tensors do not fit {described_in}, first {wrong[0]}")


def _write_config(model: Path, staging: Path, planned: _Planned) -> None:
    written = planned.written
    base = written.base_config if isinstance(written, MultiplMoeConfig) else written
    if not (staging / _GENERATION_FILE).is_file():
        ids = {name: getattr(base, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        GenerationConfig(**ids).save_pretrained(staging)
    written.dtype = base.dtype = planned.dtype
    if isinstance(written, MultiplMoeConfig):
        base._name_or_path = ""  # a path of this machine
        written.auto_map = auto_map()
        write_code(staging)
        if (use := model / EXPERT_USE_FILE).is_file():
            shutil.copy2(use, staging / EXPERT_USE_FILE)
    written.save_pretrained(staging)


def _write_merged(
    model: Path, staging: Path, settings: ExportSettings, provenance: Provenance, on_step: Callable[[str], None]
) -> MergeCost:
    """Write merge.json, too: weights of experts, and what merging costs. Raises ConfigError where nothing is gained."""
    assert settings.corpus is not None
    recipe = settings.recipe or Recipe()
    on_step("merging")
    weights = merge_to_dense(model, staging, settings.dtype, settings.merge_for)
    base = (provenance.upcycle or {}).get("base") or recipe.base
    cost = merge_cost(recipe, base, model, staging, settings.corpus, on_step)
    if not (settings.anyway or cost.has_gain):
        raise ConfigError(
            f"--merge: the merged model is not better than its base ({cost.from_base.sentence}); export the "
            "hybrid, train with train.method dense-ffn for a dense model, or write it --anyway"
        )
    write_json(staging / "merge.json", weights | {"cost": cost.to_json()})
    return cost
