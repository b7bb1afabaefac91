"""What a run will need: parameters, memory and time, from the recipe and the base's configuration alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedConfig

from multipl_moe.checkpoints.base import packaged_folder, resolve_base
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.packaged import PACKAGED_BASES
from multipl_moe.errors import BaseModelError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.parameters import ParameterCounts, count_parameters
from multipl_moe.recipe.moe import resolve_layers
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.allocator import KERNELS_KEPT
from multipl_moe.system.device import fast_dtype
from multipl_moe.train.dry_run import StepCost, dry_run_step
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.methods import empty_for_training, is_adapter, prepare
from multipl_moe.train.quantised import require_quantisation, saved_bytes, why_not_quantised
from multipl_moe.train.rate_search import search_tokens
from multipl_moe.train.setup import TrainingSetup

# Of each trained parameter: two float32 moments, or two bytes and the two float32 scales of a block of 256.
_OPTIMIZER_BYTES = {"adamw": 8.0, "adamw_8bit": 2 + 8 / 256, "paged_adamw_8bit": 2 + 8 / 256}
_KERNEL_BYTES = KERNELS_KEPT * 2**19  # about half a megabyte each
# Clipping reads gradients twice and writes them once, the optimiser reads them, weights and moments, and writes the
# last two: all float32.
_UPDATE_BYTES = 4 * 10
_FEWEST_SEQUENCE_TOKENS = 128  # below, a model sees too little context to learn from
_FRAGMENTATION = 0.07  # 3 to 18% in benchmarks/plan.py, where the same run differs by 10% from time to time


@dataclass(frozen=True)
class MemoryPlan:
    """Most bytes of each part; together they are the peak, `total_bytes`.

    Gradients are all there when most activations are gone, but what one kind frees the other can hardly use: it lies in
    pieces between what stays, and the logits want it whole.

    Attributes:
        runtime_bytes: interpreter and libraries, with the kernels that they prepare.
        frozen_bytes: weights that do not train, in the checkpoint's dtype.
        mapped_bytes: pages of the checkpoint that hold what trains as it was; on a CPU the file stays mapped as long as
            frozen weights lie in it. The kernel may take them away.
        master_bytes: weights that train, in float32.
        gradient_bytes: their gradients, float32.
        optimizer_bytes: the optimiser's moments; on a CPU also the weights as they were, where a rate is searched for.
        activation_bytes: activations, logits and temporary tensors.
        fragmentation_bytes: free memory between blocks in use, too small for what is asked for.
    """

    runtime_bytes: int
    frozen_bytes: int
    mapped_bytes: int
    master_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    fragmentation_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class TrainingPlan:
    """What a run will need: checkpoint on disk, memory of the loop, work of an optimiser step, and their number.

    Attributes:
        steps, tokens: of the training loop.
        calibration_tokens: read after it to set what routers choose by.
        held_out_tokens: read meanwhile for the held-out loss.
        search_tokens: trained on before it, at most, to find the learning rate.
        scored_tokens: at most, of held-out files, by base and model together: bits per byte, and how far it moved.
    """

    parameters: ParameterCounts
    checkpoint_bytes: int
    memory: MemoryPlan
    step: StepCost
    steps: int
    tokens: int
    calibration_tokens: int = 0
    held_out_tokens: int = 0
    scored_tokens: int = 0
    search_tokens: int = 0

    def step_seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of an optimiser step."""
        moved_bytes = self.step.moved_bytes + _UPDATE_BYTES * self.parameters.trained
        return self.step.flops / speed.flops_per_s + moved_bytes / speed.bytes_per_s

    def seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of the training loop."""
        return self.steps * self.step_seconds(speed)

    def search_seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of the search for the learning rate, at most."""
        return self.seconds(speed) * self.search_tokens / self.tokens

    def forward_seconds(self, num_tokens: int, speed: MachineSpeed) -> float:
        """Estimated time of reading tokens without learning: two operations a parameter, at a step's speed."""
        return self.step_seconds(speed) * 2 * self.parameters.active * num_tokens / self.step.flops

    def training_seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of search, training, its held-out loss and calibration; not of reading the model."""
        num_read = self.calibration_tokens + self.held_out_tokens
        return self.search_seconds(speed) + self.seconds(speed) + self.forward_seconds(num_read, speed)

    def total_seconds(self, speed: MachineSpeed) -> float:
        """Estimated time of `training_seconds` and scoring; not of corpus, programs and reading models."""
        return self.training_seconds(speed) + self.forward_seconds(self.scored_tokens, speed)

    def with_length(self, recipe: Recipe) -> "TrainingPlan":
        """The plan of a recipe that differs from this one's in nothing but seed, rate, and how long it trains."""
        train, setup = recipe.train, TrainingSetup.of(recipe)
        every = train.eval_every_steps
        held_out = 0 if every is None else -(-setup.steps // every) * train.eval_tokens  # at the end, too
        searched = search_tokens(setup)
        return replace(self, steps=setup.steps, tokens=train.tokens, held_out_tokens=held_out, search_tokens=searched)


def plan_training(
    recipe: Recipe, config: PreTrainedConfig, *, runtime_bytes: int, device: str | None = None
) -> TrainingPlan:
    """Plan a run that starts from a model of this configuration (see `starting_config`); nothing of it is loaded.

    Args:
        runtime_bytes: what the process holds without a model, on a CPU.
        device: `cpu` or `cuda`; None: what this machine trains on. Without a GPU the step is tried with the precision
            and kernels of a CPU, and a GPU's own few hundred megabytes are not counted.

    Raises:
        BaseModelError: the method trains another kind of model.
        ConfigError: layers that the model does not have, or a precision of the base that cannot be had.
    """
    require_quantisation(recipe.train, config)
    setup, model = TrainingSetup.of(recipe), empty_for_training(recipe.train, config)
    setup.use_attention(model)
    stored = {name: p.nbytes for name, p in model.named_parameters() if not is_adapter(name)}
    stored_in_float32 = model.dtype == torch.float32
    counts = prepare(model, recipe)
    setup.unify_dtype(model)
    total = counts.num_trained + counts.frozen
    active = count_parameters(config).active if isinstance(config, MultiplMoeConfig) else total
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    on_gpu = torch.cuda.is_available() if device is None else device == "cuda"
    leaves_file = stored_in_float32 or setup.dtype == torch.float32 or recipe.train.quantise is not None
    stays_mapped = not (on_gpu or leaves_file or counts.frozen == 0)
    frozen_bytes = sum(parameter.nbytes for parameter in model.parameters() if not parameter.requires_grad)
    if recipe.train.quantise is not None:
        frozen_bytes -= saved_bytes(model)
    step = dry_run_step(model, setup, "cuda" if on_gpu and torch.cuda.is_available() else "cpu")
    set_aside = 4 * (recipe.train.learning_rate == "auto" and not on_gpu)
    parts = {
        "runtime_bytes": 0 if on_gpu else runtime_bytes + _KERNEL_BYTES,
        "frozen_bytes": frozen_bytes,
        "mapped_bytes": sum(stored[name] for name in trained & stored.keys()) if stays_mapped else 0,
        "master_bytes": 4 * counts.num_trained,
        "gradient_bytes": 4 * counts.num_trained,
        "optimizer_bytes": round((_OPTIMIZER_BYTES[recipe.train.optimizer] + set_aside) * counts.num_trained),
        "activation_bytes": step.activation_bytes,
    }
    memory = MemoryPlan(**parts, fragmentation_bytes=round(_FRAGMENTATION * sum(parts.values())))
    parameters = ParameterCounts(total, active, counts.num_trained)
    plan = TrainingPlan(parameters, sum(stored.values()), memory, step, setup.steps, recipe.train.tokens)
    stores = isinstance(config, MultiplMoeConfig) and config.moe_config.stores_routing
    calibration_tokens = recipe.train.calibration_tokens if stores else 0
    plan = replace(plan, calibration_tokens=calibration_tokens, scored_tokens=_scored_tokens(recipe))
    return plan.with_length(recipe)


def starting_config(recipe: Recipe, model_folder: Path | None = None) -> PreTrainedConfig:
    """Configuration of the model that the recipe trains: that of `model_folder`, or what `upcycle` would make.

    Of a hub id only config.json is fetched, of a base by name nothing, and of a GGUF file only the header is read.

    Raises:
        BaseModelError: it cannot be read, or is not of the kind that `train.method` trains.
        ConfigError: layers that the base does not have.
    """
    of_hybrid = recipe.train.trains_hybrid
    if model_folder is not None:
        if not model_folder.is_dir():
            raise BaseModelError(f"model: {model_folder} is not a folder")
        config = load_config(model_folder)
        if of_hybrid != isinstance(config, MultiplMoeConfig):
            kind = "not a hybrid" if of_hybrid else "a hybrid"
            raise BaseModelError(f"model: {model_folder} is {kind}; train.method {recipe.train.method} cannot train it")
        return config
    base = _base_config(recipe.base)
    if not of_hybrid:
        return base
    moe = recipe.moe.resolve_on(base, recipe.learn)
    config = MultiplMoeConfig(text_config=base, moe=moe.to_dict())
    config.dtype = base.dtype if recipe.upcycle.dtype == "auto" else getattr(torch, recipe.upcycle.dtype)
    return config


def remedies(recipe: Recipe, config: PreTrainedConfig, *, has_model: bool) -> list[dict[str, Any]]:
    """Changes of the recipe, dotted keys and values, each of which makes its run smaller; mildest first.

    Only what goes with the rest of the recipe; bfloat16 only where it is fast, not where it would be emulated. Where
    the hybrid exists already (`has_model`), only training can change.
    """
    train, changes = recipe.train, []
    if not train.gradient_checkpointing:
        changes.append({"train.gradient_checkpointing": True})
    if TrainingSetup.of(recipe).dtype == torch.float32 and fast_dtype() == torch.bfloat16:
        weights = {} if has_model or train.method != "experts" else {"upcycle.dtype": "bfloat16"}
        changes.append(weights | {"train.compute_dtype": "bfloat16"})
    if train.batch_sequences % 2 == 0:
        halves = {"train.batch_sequences": train.batch_sequences // 2}
        changes.append(halves | {"train.accumulation_steps": 2 * train.accumulation_steps})
    elif train.sequence_tokens > _FEWEST_SEQUENCE_TOKENS:
        changes.append({"train.sequence_tokens": train.sequence_tokens // 2})
    if train.method == "dense":
        changes.append({"train.method": "lora"})
    kind = EXPERT_KINDS[recipe.moe.resolve([], recipe.learn).experts.type]
    if train.method == "experts" and not has_model and kind.is_copied and not recipe.upcycle.noise:
        changes.append({"moe.experts.type": "lora"})
    if train.quantise is None and train.distribution != "fsdp2" and why_not_quantised(config) is None:
        changes.append({"train.quantise": "nf4"})
    num_layers = len(resolve_layers(recipe.moe.experts.layers, config.get_text_config().num_hidden_layers))
    if num_layers > 1 and (train.method == "dense-ffn" or (train.method == "experts" and not has_model)):
        changes.append({"moe.experts.layers": f"last:{num_layers // 2}"})
    return changes


def _scored_tokens(recipe: Recipe) -> int:
    """Held-out files of every language, and again those to keep where it is measured how far the model moved."""
    chosen = recipe.eval
    per_language = chosen.files_per_language * chosen.tokens_per_file
    return 2 * round(per_language * (len(recipe.languages) + chosen.moved_share * len(recipe.keep)))


def _base_config(spec: str) -> PreTrainedConfig:
    path = Path(spec)
    if spec in PACKAGED_BASES and not packaged_folder(spec).is_dir():
        return AutoConfig.for_model(**PACKAGED_BASES[spec].shape)
    if path.suffix != ".gguf" or not path.is_file():
        return load_config(resolve_base(spec, ["config.json"]))
    try:
        return AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    except (ValueError, LookupError, OSError) as error:
        raise BaseModelError(f"base model: {path} cannot be read as GGUF ({error}); download it again") from error
