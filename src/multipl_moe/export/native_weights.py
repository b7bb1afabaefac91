"""The weights of a hybrid in the hub's layout of Ernie's architecture, and the proof that both are one model."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.errors import BaseModelError
from multipl_moe.export.weights import cast_finite, plan_cast
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.families import family_of

TOLERANCE = 1e-4
_PROBE_SHAPE = (2, 48)
_MOST_PROBES = 3
# Of scores by softmax, which are below 1: a bias that puts an expert before all without it.
_ALWAYS = 10.0
_ROUTER = "token_router.weight"
_MOE_KEY = re.compile(r"layers\.\d+\.mlp\.(shared_expert|experts|token_router|token_bias)\b")
_ATTENTION_KEY = re.compile(r"\.self_attn\.(?P<part>[qk])_proj\.")


def plan_native(
    source: Path, config: MultiplMoeConfig, native: PreTrainedConfig, dtype: torch.dtype
) -> list[TensorPlan]:
    """Every tensor of the `native` model, one expert of a layer in memory at a time."""
    layers = _Layers(source, config, dtype)
    plans = []
    for plan in plan_cast(source, dtype):
        if _MOE_KEY.search(plan.name):
            continue
        if turned := _ATTENTION_KEY.search(plan.name):
            num_heads = native.num_attention_heads if turned["part"] == "q" else native.num_key_value_heads
            plan = replace(plan, pieces=partial(_turned, plan, num_heads))
        plans.append(plan)
    for name in layers.reader.shapes:
        if name.endswith(_ROUTER):
            plans.extend(layers.plans(name.removesuffix(_ROUTER)))
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


class _Layers:
    """The tensors of hybrid layers, by Ernie's names; the frozen block is the last expert."""

    def __init__(self, source: Path, config: MultiplMoeConfig, dtype: torch.dtype) -> None:
        self.reader, self.dtype = CheckpointReader(source, "model"), dtype
        assert config.moe_config.routing is not None
        self.moe, self.family = config.moe_config.routing, family_of(config.base_config)
        self.hidden, self.intermediate = config.base_config.hidden_size, config.base_config.intermediate_size

    def plans(self, mlp: str) -> list[TensorPlan]:
        """Those of the layer whose block has this prefix."""
        upper, lower, num_experts = (
            (self.intermediate, self.hidden),
            (self.hidden, self.intermediate),
            self.moe.num_token_experts,
        )
        bias = torch.zeros(1, num_experts)
        bias[0, -1] = _ALWAYS
        router = partial(self.reader.read, f"{mlp}{_ROUTER}")
        plans = [
            self._plan(f"{mlp}gate.weight", (num_experts, self.hidden), router),
            TensorPlan(f"{mlp}moe_statics.e_score_correction_bias", (1, num_experts), torch.float32, lambda: [bias]),
        ]
        for expert in range(num_experts):
            for part, name in enumerate(("gate_proj", "up_proj", "down_proj")):
                shape, value = (lower if name == "down_proj" else upper), partial(self._part, mlp, expert, part)
                plans.append(self._plan(f"{mlp}experts.{expert}.{name}.weight", shape, value))
        return plans

    def _plan(self, name: str, shape: tuple[int, ...], value: Callable[[], Tensor]) -> TensorPlan:
        return TensorPlan(name, shape, self.dtype, lambda: [cast_finite(name, value(), self.dtype)])

    def _part(self, mlp: str, expert: int, part: int) -> Tensor:
        """The gate (0), the up (1) or the down matrix (2) of an expert."""
        if expert == self.moe.num_routed_experts:
            return self.reader.read(f"{mlp}shared_expert.{(*self.family.up, self.family.down)[part]}.weight")
        if part == 2:
            return self.reader.read(f"{mlp}experts.down_proj", expert)
        return self.reader.read(f"{mlp}experts.gate_up_proj", expert).chunk(2)[part]


def rows_in_neighbouring_order(values: Tensor, num_heads: int) -> Tensor:
    """Rows of q or k so that the two that rotary embedding turns together, half a head apart, become neighbours."""
    return values.unflatten(0, (num_heads, 2, -1)).transpose(1, 2).reshape(values.shape)


def _turned(plan: TensorPlan, num_heads: int) -> list[Tensor]:
    return [rows_in_neighbouring_order(torch.cat(list(plan.pieces())), num_heads)]


def _zero_biases(plans: dict[str, TensorPlan], vocab_size: int) -> Iterator[TensorPlan]:
    """Biases of 0, where the architecture wants them of all linear maps outside experts and the base has none."""
    wanted = {"lm_head.bias": vocab_size}
    for name, plan in plans.items():
        if re.search(r"layers\.\d+\.(self_attn\.\w+|mlp\.(gate|up|down)_proj)\.weight$", name):
            wanted[name.removesuffix("weight") + "bias"] = plan.shape[0]
    dtype = next(iter(plans.values())).dtype
    for name in wanted.keys() - plans.keys():
        zeros = torch.zeros(wanted[name])
        yield TensorPlan(name, zeros.shape, dtype, partial(list, [zeros]))
