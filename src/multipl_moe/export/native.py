"""A hybrid as a mixture of experts that transformers and every engine have: Ernie 4.5's, where that holds it exactly.

It chooses by softmax(x W^T) and divides the chosen scores by their sum, as design 2 does, and its bias on the scores by
which experts are chosen can put one into every token's choice. Its weights have the names that they have on the hub.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Ernie4_5_MoeConfig, PreTrainedConfig, PreTrainedModel

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.weights import cast_plan, in_neighbouring_order, plan_cast
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.moe_config import MoeConfig

# Families that differ from Ernie 4.5 in nothing but the blocks.
_HELD = ("llama", "mistral", "qwen2")
_NOT_HELD = {
    "gemma2": "no mixture of experts has its norms before and after attention and block",
    "gemma3_text": "no mixture of experts has its norms before and after attention and block",
    "phi3": "its matrices for queries, keys and values, and for gate and up, are one each, as in no such architecture",
    "starcoder2": "no mixture of experts has its blocks of two matrices with biases",
    "qwen3": "no expert of qwen3_moe is in every token's choice",
    "olmo2": "no expert of flex_olmo is in every token's choice",
    "granite": "no expert of granitemoe is in every token's choice",
}
TOLERANCE = 1e-4
_PROBE_SHAPE = (2, 48)
_MOST_PROBES = 3
# Of scores by softmax, which are below 1: a bias that puts an expert before all without it.
_ALWAYS = 10.0
_ROUTER = "token_router.weight"
_MOE_KEY = re.compile(r"layers\.\d+\.mlp\.(shared_expert|experts|token_router|token_bias)\b")


def require_native(config: MultiplMoeConfig) -> None:
    """Refuse a hybrid that Ernie's architecture does not hold exactly, by what its configuration says."""
    if reason := _no_such_layer(config.moe_config) or _no_such_base(config.base_config):
        raise ConfigError(f"--native: {reason}")
    if _spacing(config.moe_config.layers) is None:
        where = "lie next to each other, or every Nth is one, from the Nth on"
        raise ConfigError(f"--native: ernie4_5_moe: its layers with experts {where}")


def require_no_bias(model: Path, config: MultiplMoeConfig) -> None:
    """Refuse a hybrid whose experts are chosen by biases that alter the choice.

    Ernie's bias is added to scores, which gives another order than one on the logits.
    """
    routing = config.moe_config.routing
    if routing is None or not routing.has_token_bias or routing.token_top_k == routing.num_token_experts:
        return
    reader = CheckpointReader(model, "model")
    for name in reader.shapes:
        if name.endswith("mlp.token_bias"):
            bias = reader.read(name).float()
            if not (bias == bias[0]).all():
                raise ConfigError(
                    "--native: it picks experts by logits with a bias (moe.routing.token_bias_rate), which no "
                    "architecture has; train with moe.routing.token_bias_rate=0 and "
                    "moe.routing.router_aux_loss_coef=0.01"
                )


def native_config(config: MultiplMoeConfig) -> Ernie4_5_MoeConfig:
    """The configuration of the hybrid in Ernie's architecture, without a dtype."""
    base, moe, routing = config.base_config, config.moe_config, config.moe_config.routing
    assert routing is not None
    known = Ernie4_5_MoeConfig().to_dict().keys() | {"head_dim"}  # read, though not named
    values = {key: value for key, value in base.to_dict().items() if key in known}
    for key in ("model_type", "architectures", "dtype", "transformers_version", "_name_or_path"):
        values.pop(key, None)
    values |= {"moe_num_experts": routing.num_token_experts, "moe_k": routing.token_top_k, "moe_num_shared_experts": 0}
    values |= {"moe_layer_start_index": moe.layers[0], "moe_layer_end_index": moe.layers[-1]}
    values |= {"moe_intermediate_size": base.intermediate_size, "moe_layer_interval": _spacing(moe.layers)}
    values["use_bias"] = base.model_type == "qwen2" or bool(getattr(base, "attention_bias", False))
    return Ernie4_5_MoeConfig(**values, architectures=["Ernie4_5_MoeForCausalLM"])


def _no_such_layer(moe: MoeConfig) -> str | None:
    if moe.gate.languages:
        merge = "" if moe.is_routed else "; --merge folds it into a dense model"
        return f"no architecture has a domain gate{merge}"
    if (routing := moe.routing) is None:
        return "with one expert a layer and no gate it is a dense model: --merge writes exactly that"
    if routing.num_segment_experts:
        return f"no architecture has segment-level experts (preset {moe.preset})"
    if not EXPERT_KINDS[moe.experts.type].is_copied:
        return "its experts are low-rank; write them out first (export --full-experts), and export that"
    if routing.fusion == "fixed" and routing.token_weight != 1:
        return f"no architecture has a fixed fusion with weight {routing.token_weight:g}"
    return None


def _no_such_base(base: Any) -> str | None:
    if base.model_type not in _HELD:
        return _NOT_HELD.get(base.model_type, f"no architecture is known for {base.model_type}")
    if getattr(base, "mlp_bias", False):
        return "no architecture's experts have biases (mlp_bias)"
    if base.hidden_act != "silu":
        return f"engines compute experts with silu alone, not {base.hidden_act}"
    if getattr(base, "sliding_window", None) is not None:
        return "ernie4_5_moe: it has no sliding window"
    return None


def _spacing(layers: list[int]) -> int | None:
    """N where the layers are those of a range whose number, from 1, N divides; None where there is no such N."""
    steps = {after - before for before, after in pairwise(layers)} or {1}
    step = min(steps)
    return step if len(steps) == 1 and (layers[0] + 1) % step == 0 else None


def plan_native(source: Path, native: PreTrainedConfig, dtype: torch.dtype) -> list[TensorPlan]:
    """Every tensor of the `native` model, one expert of a layer in memory at a time."""
    reader, plans = CheckpointReader(source, "model"), []
    for plan in plan_cast(source, dtype):
        if _MOE_KEY.search(plan.name):
            continue
        plans.append(replace(plan, pieces=partial(_turned, plan, native)))
    for name in reader.shapes:
        if name.endswith(_ROUTER):
            plans.extend(_plans_of_block(reader, name.removesuffix(_ROUTER), dtype))
    if native.use_bias:
        plans.extend(_zero_biases({plan.name: plan for plan in plans}, native.vocab_size))
    return plans


def require_equal(hybrid: Path, native: Path, dtype: torch.dtype) -> float:
    """Compare the logits of both in float32 on random tokens, with the hybrid's weights rounded to `dtype`.

    Where two experts' scores are equal but for rounding, the models may choose differently, though they are the same.
    So a probe that shows a difference is followed by another; a defect shows in all.

    Returns:
        The largest absolute difference of a logit, in the first probe where it is within `TOLERANCE`.

    Raises:
        BaseModelError: none is.
    """
    difference = float("inf")
    for seed in range(_MOST_PROBES):
        model = load_hybrid(hybrid, dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.to(dtype))
        probe = torch.randint(model.config.vocab_size, _PROBE_SHAPE, generator=torch.Generator().manual_seed(seed))
        expected = _logits(model, probe)
        del model
        difference = min(difference, (_logits(load_dense(native).float(), probe) - expected).abs().max().item())
        if difference <= TOLERANCE:
            return difference
    raise BaseModelError(
        f"--native: what was written differs from the hybrid by up to {difference:.2g} in a logit, more than "
        f"{TOLERANCE:g}; export it with its own code (without --native), and please tell the authors"
    )


@torch.no_grad()
def _logits(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    return model.eval()(input_ids=tokens, use_cache=False).logits


def _plans_of_block(reader: CheckpointReader, mlp: str, dtype: torch.dtype) -> Iterator[TensorPlan]:
    """The tensors of the hybrid block with this prefix, by Ernie's names; the frozen block is the last expert."""
    router = f"{mlp}{_ROUTER}"
    num_experts, _ = reader.shapes[router]
    bias = torch.zeros(1, num_experts)
    bias[0, -1] = _ALWAYS
    yield cast_plan(f"{mlp}gate.weight", reader.shapes[router], dtype, partial(reader.read, router))
    yield TensorPlan.of(f"{mlp}moe_statics.e_score_correction_bias", bias)
    for expert in range(num_experts):
        trained = expert if expert < num_experts - 1 else None
        for part in ("gate_proj", "up_proj", "down_proj"):
            shape = reader.shapes[f"{mlp}shared_expert.{part}.weight"]
            value = partial(_matrix, reader, mlp, part, trained)
            yield cast_plan(f"{mlp}experts.{expert}.{part}.weight", shape, dtype, value)


def _matrix(reader: CheckpointReader, mlp: str, part: str, trained: int | None) -> Tensor:
    if trained is None:
        return reader.read(f"{mlp}shared_expert.{part}.weight")
    if part == "down_proj":
        return reader.read(f"{mlp}experts.down_proj", trained)
    gate, up = reader.read(f"{mlp}experts.gate_up_proj", trained).chunk(2)
    return gate if part == "gate_proj" else up


def _turned(plan: TensorPlan, config: PreTrainedConfig) -> Iterator[Tensor]:
    return (in_neighbouring_order(plan.name, value, config) for value in plan.pieces())


def _zero_biases(plans: dict[str, TensorPlan], vocab_size: int) -> Iterator[TensorPlan]:
    """Biases of 0, where the architecture wants them of all linear maps outside experts and the base has none."""
    wanted = {"lm_head.bias": vocab_size}
    for name, plan in plans.items():
        if re.search(r"layers\.\d+\.(self_attn\.\w+|mlp\.(gate|up|down)_proj)\.weight$", name):
            wanted[name.removesuffix("weight") + "bias"] = plan.shape[0]
    dtype = next(iter(plans.values())).dtype
    for name, size in wanted.items():
        if name not in plans:
            yield TensorPlan.of(name, torch.zeros(size, dtype=dtype))
