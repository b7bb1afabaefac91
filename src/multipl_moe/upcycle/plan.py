"""What a conversion will write: every tensor of the hybrid checkpoint, checked against the base before any is read.

Experts begin as copies of the base's block. Under different routers they drift apart by themselves, but slowly; noise
starts them apart, at the price of not starting exactly at the base.
"""

import re
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan, expert_generator
from multipl_moe.errors import BaseModelError
from multipl_moe.model.expert_kinds import EXPERT_KINDS, BaseLayer, NewTensor
from multipl_moe.model.families import Family, family_of
from multipl_moe.model.moe_config import PACK, MoeConfig
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.upcycle.gate_start import GateStart
from multipl_moe.upcycle.router_start import RouterStart, random_rows

_MLP_KEY = re.compile(r"^(?P<prefix>.*layers\.(?P<layer>\d+)\.mlp\.)(?P<rest>.+)$")


class UpcyclePlan:
    """Maps a base's tensors to those of the hybrid model (file layout of design 3).

    Args:
        moe: the hybrid layer's settings, with `layers` resolved.
        dtype: of the checkpoint; thresholds stay float32.
        noise, seed: how experts are made to differ.

    Attributes:
        router_start: where routers begin, measured on text; None: at random.
        gate_start: the domain gate, fitted to text; None: there is none.

    Raises:
        BaseModelError: tensors that the base must have are missing or of another shape, or one is stored in a dtype
            that is not written here, as the codes of a quantised base are.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        config: PreTrainedConfig,
        moe: MoeConfig,
        *,
        dtype: torch.dtype,
        noise: float,
        seed: int,
    ) -> None:
        self.reader, self.config, self.moe, self.dtype = reader, config, moe, dtype
        self.noise, self.seed = noise, seed
        self.router_start: RouterStart | None = None
        self.gate_start: GateStart | None = None
        self.family: Family = family_of(config)
        for key in reader.shapes:
            reader.dtype(key)
        self._prefixes = self._find_layers()

    def tensors(self) -> list[TensorPlan]:
        """Every tensor to write: the base's, renamed where they become a shared expert, then each layer's new ones."""
        plans = []
        moves_block = self.moe.is_routed or not EXPERT_KINDS[self.moe.experts.type].is_adapter  # which change no name
        for key in self.reader.shapes:
            match = _MLP_KEY.match(key)
            is_hybrid = match is not None and int(match["layer"]) in self.moe.layers and moves_block
            name = f"{match['prefix']}shared_expert.{match['rest']}" if match and is_hybrid else key
            plans.append(self.reader.plan(key, name, self.dtype))
        for layer in self.moe.layers:
            plans.extend(self._new_tensors(layer, self._prefixes[layer]))
        if self.gate_start is not None:
            prefix = f"{self._prefixes[self.moe.layers[0]].partition('layers.')[0]}domain_gates.{PACK}."
            plans += [TensorPlan.of(f"{prefix}{name}", value) for name, value in self.gate_start.tensors.items()]
        return plans

    def _find_layers(self) -> dict[int, str]:
        """The prefix of each hybrid layer's block, after checking that the block has the tensors of its family."""
        matches = filter(None, map(_MLP_KEY.match, self.reader.shapes))
        prefixes, problems = {int(match["layer"]): match["prefix"] for match in matches}, []
        for layer in self.moe.layers:
            for key, shape in self._block_shapes(prefixes.get(layer, f"model.layers.{layer}.mlp.")).items():
                if (found := self.reader.shapes.get(key)) != shape:
                    fault = "is missing" if found is None else f"has shape {found}, expected {shape}"
                    problems.append(f"{self.reader.role}: {self.reader.folder}: tensor {key} {fault}")
        if problems:
            raise BaseModelError("; ".join(problems))
        return prefixes

    def _block_shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
        up_rows = self.family.up_size(intermediate) // len(self.family.up)
        sizes = dict.fromkeys(self.family.up, (up_rows, hidden)) | {self.family.down: (hidden, intermediate)}
        shapes: dict[str, tuple[int, ...]] = {f"{prefix}{part}.weight": shape for part, shape in sizes.items()}
        if self.family.has_bias(self.config):
            shapes |= {f"{prefix}{part}.bias": (num_rows,) for part, (num_rows, _) in sizes.items()}
        return shapes

    def _new_tensors(self, layer: int, prefix: str) -> Iterator[TensorPlan]:
        moe, kind = self.moe, EXPERT_KINDS[self.moe.experts.type]
        of_layer = prefix.removesuffix("mlp.")
        own = {key: shape for key, shape in self.reader.shapes.items() if key.startswith(of_layer)}
        base = BaseLayer({key.removeprefix(of_layer): own[key] for key in own}, self.family, self.config)
        for tensor in (kind.start_stacked if moe.is_routed else kind.start)(base, moe.experts):
            shape = (moe.num_trained_experts, *tensor.shape) if moe.is_routed else tensor.shape
            yield TensorPlan(of_layer + tensor.name, shape, self.dtype, partial(self._started, layer, tensor))
        if moe.routing is not None:
            yield from self._routers(layer, prefix, moe.routing)

    def _routers(self, layer: int, prefix: str, routing: RoutingConfig) -> Iterator[TensorPlan]:
        start = {} if self.router_start is None else self.router_start.layers[layer]
        nothing = torch.zeros(self.config.hidden_size)

        def plan(name: str, unmeasured: Tensor, dtype: torch.dtype = self.dtype) -> TensorPlan:
            return TensorPlan.of(f"{prefix}{name}", start.get(name, unmeasured).to(dtype))

        def router(kind: str, num_experts: int) -> TensorPlan:
            return plan(f"{kind}_router.weight", random_rows(self.seed, layer, kind, num_experts, self.config))

        if routing.num_token_experts > 1:
            yield router("token", routing.num_token_experts)
        if routing.routes_segments:
            yield router("segment", routing.num_segment_experts)
            yield plan("segment_start", nothing)
            if routing.segment_centered:
                yield plan("segment_mean", nothing, torch.float32)
            even = torch.full((routing.num_segment_experts,), 1 / routing.num_segment_experts)
            yield plan("segment_threshold", even, torch.float32)
        if routing.has_token_bias:
            yield plan("token_bias", torch.zeros(routing.num_routed_experts), torch.float32)

    def _started(self, layer: int, tensor: NewTensor) -> Iterator[Tensor]:
        """Each expert's part of a tensor, as it begins."""
        of_layer = self._prefixes[layer].removesuffix("mlp.")
        names = tensor.start if isinstance(tensor.start, list) else []
        parts = {key: self.reader.read(key) for key in (of_layer + name for name in names)}
        for expert in range(self.moe.num_trained_experts):
            if tensor.start == "zeros":
                yield torch.zeros(tensor.shape)
            elif tensor.start == "unit gain":
                generator = expert_generator(self.seed, layer, expert, tensor.seed_name)
                yield torch.randn(tensor.shape, generator=generator) * tensor.shape[-1] ** -0.5
            for key, part in parts.items():
                yield add_noise(part, self.noise, expert_generator(self.seed, layer, expert, key))


def add_noise(weight: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """`weight` plus Gaussian noise of `noise` times its standard deviation."""
    if noise == 0:
        return weight
    drawn = torch.randn(weight.shape, generator=generator) * (noise * weight.float().std())
    return (weight.float() + drawn).to(weight.dtype)
