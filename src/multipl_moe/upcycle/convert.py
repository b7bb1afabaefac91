"""`upcycle`: stream a dense base into a hybrid checkpoint, and prove that it starts where the base is."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import psutil
import torch
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.base import base_licence, hub_id, resolve_base
from multipl_moe.checkpoints.linked import bytes_to_write, write_beside_base
from multipl_moe.checkpoints.loading import load_config, load_dense, load_hybrid
from multipl_moe.checkpoints.tensors import WRITABLE_DTYPES, CheckpointReader, copy_companions
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.fim_tokens import FIM_KEY, require_fim_tokens
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import ParameterCounts, count_parameters
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import record_run, write_json
from multipl_moe.system.device import dtype_name
from multipl_moe.system.staging import refuse_existing, require_space, staged_folder
from multipl_moe.upcycle.gate_start import GateStart, fit_domain_gate
from multipl_moe.upcycle.plan import UpcyclePlan
from multipl_moe.upcycle.router_start import RouterStart, measure_router_start

_SPARE_BYTES = 64_000_000
_VERIFICATION_BYTES_PER_PARAMETER = 5  # float32, and room for activations
_MEASUREMENT_BYTES_PER_BYTE = 2  # of a base whose bfloat16 is computed in float32
_TOLERANCE = 1e-3  # of a logit in float32
_PROBE_ROWS, _PROBE_WINDOWS, _USUAL_WINDOW = 2, 2.5, 64


@dataclass(frozen=True)
class Verification:
    """How a fresh checkpoint compares with its base in float32.

    Attributes:
        max_difference: largest absolute difference of a logit.
        must_be_exact: whether the settings promise that the hybrid starts at the base (design 4, promise 1).
    """

    max_difference: float
    must_be_exact: bool

    @property
    def passed(self) -> bool:
        """False only where equality was promised and does not hold."""
        return not self.must_be_exact or self.max_difference <= _TOLERANCE


@dataclass(frozen=True)
class UpcycleReport:
    """What a conversion made: a checkpoint, its parameters, their comparison with the base, where routers begin.

    Where there was no comparison, or routers begin at random, it says why. `gate_start` is None without a domain gate.
    """

    output: Path
    parameters: ParameterCounts
    verification: Verification | None
    why_unverified: str = ""
    router_start: RouterStart | None = None
    why_random: str = ""
    gate_start: GateStart | None = None


def upcycle(
    recipe: Recipe,
    output: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    corpus: Path | None = None,
) -> UpcycleReport:
    """Convert the recipe's base into a hybrid checkpoint at `output`.

    Everything is checked first (base, layers, names, shapes, disk space); tensors are then streamed into a staging
    folder that is renamed at the end, so `output` exists whole or not at all. The comparison with the base, unlike the
    conversion, needs both models in memory, in float32; it is left out where that does not fit.

    Args:
        on_progress: called with bytes written and bytes in all.
        corpus: folder that `build_corpus` wrote, a few thousand tokens of which place the routers so that loads are
            even from the first step; None: they begin at random. Left out where the base does not fit into memory.

    Raises:
        BaseModelError, ConfigError, CorpusError, OutputError: see the message; or the proof of equality failed.
    """
    refuse_existing(output)
    base_folder = resolve_base(recipe.base)
    config, plan = _plan(recipe, base_folder)
    require_space(output, bytes_to_write(plan.tensors(), output) + _SPARE_BYTES)
    plan.router_start, why_random = _router_start(plan, base_folder, corpus)
    plan.gate_start = _gate_start(recipe, plan, base_folder, corpus)
    tensors = plan.tensors()
    parameters = count_parameters(config)
    needed = _VERIFICATION_BYTES_PER_PARAMETER * parameters.total
    why_unverified = "upcycle.verify is off" if not recipe.upcycle.verify else _lack_of_memory(needed)
    with staged_folder(output) as staging:
        write_beside_base(tensors, staging, on_progress)
        config.save_pretrained(staging)
        copy_companions(base_folder, staging)
        record_run(staging, recipe)
        verification = None if why_unverified else _verify(base_folder, staging, plan)
        record = {
            "base": recipe.base,
            "base_hub_id": hub_id(recipe.base),
            "base_licence": base_licence(recipe.base, base_folder),
            **recipe.upcycle.model_dump(mode="json", include={"noise", "other_text"}),
            "parameters": asdict(parameters),
            "verification": asdict(verification) if verification else None,
            "router_start": None if plan.router_start is None else plan.router_start.to_json(),
            "gate_start": None if plan.gate_start is None else plan.gate_start.to_json(),
        }
        write_json(staging / "upcycle.json", record)
    return UpcycleReport(
        output, parameters, verification, why_unverified, plan.router_start, why_random, plan.gate_start
    )


def random_hybrid(recipe: Recipe) -> MultiplMoeForCausalLM:
    """What `upcycle` would make of the recipe's base, with random weights: there at once, and as fast as the real one.

    Raises:
        BaseModelError, ConfigError: as `upcycle`.
    """
    base_folder = resolve_base(recipe.base)
    config, plan = _plan(recipe, base_folder)
    with torch.random.fork_rng():
        model: Any = MultiplMoeForCausalLM(config)
    return model.to(plan.dtype)


def start_lines(report: UpcycleReport) -> list[str]:
    """Lines for people on where the routers begin, and on what the domain gate says, if there is one."""
    if (routers := report.router_start) is None:
        why = report.why_random
        lines = [f"routers begin at random, most tokens with one expert ({why})"] if why else []
    else:
        spans = [f"{kind} {low:.2f} to {high:.2f}" for kind, (low, high) in routers.load_ratios.items()]
        lines = [f"routers begin at {', '.join(spans)} times a fair load, on {routers.tokens:,} tokens"]
    if (gate := report.gate_start) is not None:
        opened = ", ".join(f"{name} {gate.mean_p[name]:.2f}" for name in gate.learn if name in gate.mean_p)
        others = {name: p for name, p in gate.mean_p.items() if name not in gate.learn}
        most = max(others, key=lambda name: others[name], default=None)
        rest = "" if most is None else f"; of other text most for {most}, {others[most]:.2f}"
        if opened:
            lines.append(f"domain gate is open after 64 tokens for {opened}{rest} (1: always)")
        if unknown := [name for name in gate.learn if name not in gate.mean_p]:
            names = ", ".join(unknown)
            lines.append(f"warning: how far the domain gate opens for {names} is not known: no text of 64 tokens")
        if shut := [name for name in gate.learn if gate.mean_p.get(name, 1.0) < 0.5]:
            lines.append(f"warning: the domain gate hardly opens for {', '.join(shut)}; more text may help")
    return lines


def _router_start(plan: UpcyclePlan, base_folder: Path, corpus: Path | None) -> tuple[RouterStart | None, str]:
    """Where routers begin; or None, and why it could not be measured, if there are any."""
    if not plan.moe.is_routed:
        return None, ""
    if corpus is None:
        return None, "no text to place them by: give --corpus"
    size = sum(file.stat().st_size for file in base_folder.glob("*.safetensors"))
    if lack := _lack_of_memory(_MEASUREMENT_BYTES_PER_BYTE * size):
        return None, lack
    return measure_router_start(base_folder, corpus, plan.moe, dtype=plan.dtype, seed=plan.seed), ""


def _gate_start(recipe: Recipe, plan: UpcyclePlan, base_folder: Path, corpus: Path | None) -> GateStart | None:
    if not plan.moe.gate.languages:
        return None
    without = "go without it: --set moe.gate.languages=[], and train.replay=0.1 in training"
    if corpus is None:
        raise ConfigError(f"moe.gate.languages: it is fitted to text of a corpus; give --corpus, or {without}")
    return fit_domain_gate(base_folder, corpus, recipe, plan.moe, plan.config.vocab_size)


def _plan(recipe: Recipe, base_folder: Path) -> tuple[MultiplMoeConfig, UpcyclePlan]:
    base_config = load_config(base_folder)
    family_of(base_config, base_folder)
    if (quantization := getattr(base_config, "quantization_config", None)) is not None:
        method = quantization.get("quant_method", "unknown method")
        raise BaseModelError(f"base model: {base_folder} is quantised ({method}); give the unquantised checkpoint")
    if (fim := recipe.corpus.fim).rate:
        setattr(base_config, FIM_KEY, list(require_fim_tokens(fim.tokens, base_folder, recipe.base)))
    moe, settings = recipe.moe.resolve_on(base_config, recipe.learn), recipe.upcycle
    dtype = _dtype(settings.dtype, base_config)
    config = MultiplMoeConfig(text_config=base_config, moe=moe.to_dict())
    config.dtype = dtype
    config.architectures = ["MultiplMoeForCausalLM"]
    if missing := [folder for folder in settings.other_text if not folder.is_dir()]:
        raise ConfigError([f"upcycle.other_text: {folder} is not a folder; name one that is" for folder in missing])
    reader = CheckpointReader(base_folder)
    return config, UpcyclePlan(reader, base_config, moe, dtype=dtype, noise=settings.noise, seed=recipe.seed)


def _lack_of_memory(needed: int) -> str:
    available = psutil.virtual_memory().available
    if needed <= available:
        return ""
    return f"it needs {needed / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are free"


@torch.no_grad()
def _verify(base_folder: Path, staging: Path, plan: UpcyclePlan) -> Verification:
    """Compare the logits of checkpoint and base, rounded to its dtype, on random tokens: over two segment windows."""
    moe, base = plan.moe, cast(Any, load_dense(base_folder)).float().eval()
    for parameter in base.parameters():
        parameter.copy_(parameter.to(plan.dtype))
    window = moe.routing.segment_window if moe.routing else _USUAL_WINDOW
    num_tokens = min(int(_PROBE_WINDOWS * window), base.config.max_position_embeddings)
    generator = torch.Generator().manual_seed(plan.seed)
    probe = torch.randint(base.config.vocab_size, (_PROBE_ROWS, num_tokens), generator=generator)
    expected = base(input_ids=probe, use_cache=False).logits
    del base
    hybrid = load_hybrid(staging, dtype=torch.float32).eval()
    difference = (hybrid(input_ids=probe).logits - expected).abs().max().item()
    result = Verification(difference, must_be_exact=plan.noise == 0 and moe.starts_at_base)
    if not result.passed:
        raise BaseModelError(
            f"upcycle: logits differ from the base's by {result.max_difference:.2e}; "
            f"{plan.config.model_type} may not be converted correctly"
        )
    return result


def _dtype(name: str, config: PreTrainedConfig) -> torch.dtype:
    dtype = (config.dtype or torch.float32) if name == "auto" else name
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    if dtype not in WRITABLE_DTYPES:
        known = ", ".join(dtype_name(known) for known in WRITABLE_DTYPES)
        raise BaseModelError(f"base model: its config.json says dtype {dtype}; convert it to one of {known}")
    return dtype
