"""`upcycle`: stream a dense base into a hybrid checkpoint, and prove that it starts where the base is."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedConfig

from multipl_moe.errors import BaseModelError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of
from multipl_moe.model.parameters import ParameterCounts, count_parameters
from multipl_moe.recipe import Recipe
from multipl_moe.staging import copy_companions, refuse_existing, require_space, staged_folder
from multipl_moe.upcycle.base import base_licence, resolve_base
from multipl_moe.upcycle.checkpoint import CheckpointReader, write_checkpoint
from multipl_moe.upcycle.layers import resolve_layers
from multipl_moe.upcycle.plan import UpcyclePlan
from multipl_moe.upcycle.verify import Verification, verify_start

_SPARE_BYTES = 64_000_000


@dataclass(frozen=True)
class UpcycleReport:
    """What a conversion made."""

    output: Path
    parameters: ParameterCounts
    verification: Verification | None


def upcycle(
    recipe: Recipe, output: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> UpcycleReport:
    """Convert the recipe's base into a hybrid checkpoint at `output`.

    Everything is checked first (base, layers, names, shapes, disk space); tensors are then streamed into a staging
    folder that is renamed at the end, so `output` exists whole or not at all.

    Args:
        recipe: base, moe, upcycle and seed are used.
        output: folder to create.
        on_progress: called with bytes written and bytes in all.

    Raises:
        BaseModelError, ConfigError, OutputError: see the message; or the proof of equality failed.
    """
    refuse_existing(output)
    base_folder = resolve_base(recipe.base)
    base_config = load_base_config(base_folder)
    family_of(base_config)
    moe = recipe.moe.resolve(resolve_layers(recipe.moe.layers, base_config.num_hidden_layers))
    config = MultiplMoeConfig(text_config=base_config, moe=moe.to_dict())
    settings = recipe.upcycle
    dtype = _dtype(settings.dtype, base_config)
    plan = UpcyclePlan(
        CheckpointReader(base_folder),
        base_config,
        moe,
        dtype=dtype,
        noise=settings.noise,
        reinit=settings.reinit,
        seed=recipe.seed,
    )
    tensors = plan.tensors()
    sizes = {tensor.name: tensor.num_bytes for tensor in tensors}
    total = sum(sizes.values())
    require_space(output, total + _SPARE_BYTES)

    written: list[int] = []

    def count(name: str) -> None:
        written.append(sizes[name])
        on_progress(sum(written), total)

    with staged_folder(output) as staging:
        write_checkpoint(tensors, staging, count)
        config.dtype = dtype
        config.architectures = ["MultiplMoeForCausalLM"]
        config.save_pretrained(staging)
        copy_companions(base_folder, staging)
        (staging / "recipe.yaml").write_text(recipe.to_yaml())
        verification = None
        if settings.verify:
            exact = settings.noise == 0 and settings.reinit == 0
            verification = verify_start(base_folder, staging, moe, dtype=dtype, exact_copies=exact, seed=recipe.seed)
            if not verification.passed:
                raise BaseModelError(
                    f"upcycle: logits differ from the base's by {verification.max_difference:.2e}; "
                    f"{base_config.model_type} may not be converted correctly"
                )
        report = UpcycleReport(output, count_parameters(config), verification)
        record = {
            "base": recipe.base,
            "base_licence": base_licence(recipe.base),
            "parameters": asdict(report.parameters),
            "verification": asdict(verification) if verification else None,
        }
        (staging / "upcycle.json").write_text(json.dumps(record, indent=2))
    return report


def load_base_config(folder: Path) -> PreTrainedConfig:
    """The configuration of a base folder; raises BaseModelError when transformers does not know it."""
    try:
        return AutoConfig.from_pretrained(folder)
    except (ValueError, KeyError, OSError) as error:
        raise BaseModelError(f"base model: {folder}/config.json cannot be used ({error})") from error


def _dtype(name: str, config: PreTrainedConfig) -> torch.dtype:
    dtype = (config.dtype or torch.float32) if name == "auto" else name
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype
