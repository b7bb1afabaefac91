"""What a conversion will write: every tensor of the hybrid checkpoint, checked against the base before any is read.

Experts begin as copies of the base's block. Under different routers they drift apart by themselves, but slowly; noise
and partial re-initialisation (Drop-Upcycling, Nakamura et al., ICLR 2025) start them apart, at the price of not
starting exactly at the base.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan, expert_generator
from multipl_moe.errors import BaseModelError
from multipl_moe.model.expert_kinds import EXPERT_KINDS, BaseLayer, Copies, NewTensor
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
        noise, reinit, seed: how experts are made to differ.
        experts_from: tensors of a dense model of the same shape that the experts start as; default: the base's.

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
        reinit: float,
        seed: int,
        experts_from: CheckpointReader | None = None,
    ) -> None:
        self.reader, self.config, self.moe, self.dtype = reader, config, moe, dtype
        self.experts_from = experts_from or reader
        self.noise, self.reinit, self.seed = noise, reinit, seed
        self.router_start: RouterStart | None = None
        self.gate_start: GateStart | None = None
        self.family: Family = family_of(config)
        for key in reader.shapes:
            reader.dtype(key)
        self._prefixes = self._find_layers()

    def tensors(self) -> list[TensorPlan]:
        """Every tensor to write: the base's, renamed where they become a shared expert, then each layer's new ones."""
        plans = []
        for key, shape in self.reader.shapes.items():
            match = _MLP_KEY.match(key)
            is_hybrid = match is not None and int(match["layer"]) in self.moe.layers and self._moves_block
            name = f"{match['prefix']}shared_expert.{match['rest']}" if match and is_hybrid else key
            stored = self.reader.file(key) if (name, self.dtype) == (key, self.reader.dtype(key)) else None
            plans.append(TensorPlan(name, shape, self.dtype, lambda key=key: [self.reader.read(key)], stored))
        for layer in self.moe.layers:
            plans.extend(self._new_tensors(layer, self._prefixes[layer]))
        if self.gate_start is not None:
            prefix = f"{self._prefixes[self.moe.layers[0]].partition('layers.')[0]}domain_gates.{PACK}."
            for name, value in self.gate_start.tensors.items():
                shape = tuple(value.shape)
                plans.append(TensorPlan(f"{prefix}{name}", shape, value.dtype, lambda value=value: [value]))
        return plans

    def _find_layers(self) -> dict[int, str]:
        """The prefix of each hybrid layer's block, after checking that the block has the tensors of its family."""
        prefixes = {}
        for key in self.reader.shapes:
            if match := _MLP_KEY.match(key):
                prefixes[int(match["layer"])] = match["prefix"]
        problems = []
        for layer in self.moe.layers:
            wanted = self._block_shapes(prefixes.get(layer, f"model.layers.{layer}.mlp."))
            for key, shape in wanted.items():
                for reader in dict.fromkeys((self.reader, self.experts_from)):
                    problems += _misfits(reader, key, shape)
        if problems:
            raise BaseModelError("; ".join(problems))
        return prefixes

    def _block_shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
        up_rows = self.family.up_size(intermediate) // len(self.family.up)
        shapes: dict[str, tuple[int, ...]] = {f"{prefix}{part}.weight": (up_rows, hidden) for part in self.family.up}
        shapes[f"{prefix}{self.family.down}.weight"] = (hidden, intermediate)
        if self.family.has_bias(self.config):
            shapes |= {f"{prefix}{part}.bias": (up_rows,) for part in self.family.up}
            shapes[f"{prefix}{self.family.down}.bias"] = (hidden,)
        return shapes

    def _new_tensors(self, layer: int, prefix: str) -> Iterator[TensorPlan]:
        hidden, moe, kind = self.config.hidden_size, self.moe, EXPERT_KINDS[self.moe.experts.type]
        of_layer = prefix.removesuffix("mlp.")
        shapes = {
            key.removeprefix(of_layer): shape for key, shape in self.reader.shapes.items() if key.startswith(of_layer)
        }
        base = BaseLayer(shapes, self.family, self.config)
        for tensor in (kind.start_stacked if moe.is_routed else kind.start)(base, moe.experts):
            shape = (moe.num_trained_experts, *tensor.shape) if moe.is_routed else tensor.shape
            yield TensorPlan(of_layer + tensor.name, shape, self.dtype, partial(self._started, layer, tensor))
        if moe.routing is not None:
            yield from self._routers(layer, prefix, moe.routing, hidden)

    def _routers(self, layer: int, prefix: str, routing: RoutingConfig, hidden: int) -> Iterator[TensorPlan]:
        def plan(name: str, shape: tuple[int, ...], value: Callable[[], Iterable[Tensor]], dtype=self.dtype):
            return TensorPlan(f"{prefix}{name}", shape, dtype, value)

        start = {} if self.router_start is None else self.router_start.layers[layer]
        counts = {"token": routing.num_token_experts, "segment": routing.num_segment_experts}
        for kind, is_routed in (("token", routing.num_token_experts > 1), ("segment", routing.routes_segments)):
            if is_routed:
                name = f"{kind}_router.weight"
                rows = partial(self._rows, start.get(name), layer, kind, counts[kind])
                yield plan(name, (counts[kind], hidden), rows)
        if routing.routes_segments:
            nothing_before = start.get("segment_start", torch.zeros(hidden))
            yield plan("segment_start", (hidden,), lambda: [nothing_before])
            if routing.segment_centered:
                mean = start.get("segment_mean", torch.zeros(hidden))
                yield plan("segment_mean", (hidden,), lambda: [mean], torch.float32)
            even = torch.full((routing.num_segment_experts,), 1 / routing.num_segment_experts)
            threshold = start.get("segment_threshold", even)
            yield plan("segment_threshold", tuple(threshold.shape), lambda: [threshold], torch.float32)
        if routing.has_token_bias:
            bias = start.get("token_bias", torch.zeros(routing.num_routed_experts))
            yield plan("token_bias", tuple(bias.shape), lambda: [bias], torch.float32)

    @property
    def _moves_block(self) -> bool:
        """Whether the base's block becomes part of another; beside its matrices, adapters change no name."""
        return self.moe.is_routed or not EXPERT_KINDS[self.moe.experts.type].is_adapter

    def _started(self, layer: int, tensor: NewTensor) -> Iterator[Tensor]:
        """Each expert's part of a tensor, as it begins."""
        if isinstance(tensor.start, Copies):
            of_layer = self._prefixes[layer].removesuffix("mlp.")
            yield from self._experts(layer, [of_layer + key for key in tensor.start.keys], tensor.start.unit_dim)
            return
        for expert in range(self.moe.num_trained_experts):
            if tensor.start == "zeros":
                yield torch.zeros(tensor.shape)
            else:
                generator = expert_generator(self.seed, layer, expert, tensor.seed_name)
                yield torch.randn(tensor.shape, generator=generator) * tensor.shape[-1] ** -0.5

    def _experts(self, layer: int, keys: list[str], unit_dim: int | None) -> Iterator[Tensor]:
        """The stacked experts, part by part; `unit_dim` is the dimension of the intermediate units, if any."""
        parts = [self.experts_from.read(key) for key in keys]
        for expert in range(self.moe.num_trained_experts):
            for key, part in zip(keys, parts, strict=True):
                yield self._expert_part(layer, expert, key, part, unit_dim)

    def _expert_part(self, layer: int, expert: int, key: str, part: Tensor, unit_dim: int | None) -> Tensor:
        generator = expert_generator(self.seed, layer, expert, key)
        if unit_dim is not None:
            intermediate = self.config.intermediate_size
            units = dropped_units(intermediate, self.reinit, expert_generator(self.seed, layer, expert, "units"))
            if part.shape[unit_dim] > intermediate:
                units = torch.cat([units, units + intermediate])
            part = reinitialize_units(part, units, unit_dim, generator)
        return add_noise(part, self.noise, generator)

    def _rows(self, rows: Tensor | None, layer: int, kind: str, num_experts: int) -> list[Tensor]:
        return [random_rows(self.seed, layer, kind, num_experts, self.config) if rows is None else rows]


def dropped_units(intermediate_size: int, reinit: float, generator: torch.Generator) -> Tensor:
    """Indices of the round(reinit * I) intermediate units of an expert that start anew, the same for all its parts."""
    return torch.randperm(intermediate_size, generator=generator)[: round(reinit * intermediate_size)]


def reinitialize_units(weight: Tensor, units: Tensor, dim: int, generator: torch.Generator) -> Tensor:
    """A copy of `weight` whose slices `units` along `dim` are drawn from a normal distribution of their statistics.

    `dim` is 0 where intermediate units are rows (gate, up), 1 where they are columns (down).
    """
    if not len(units):
        return weight
    chosen = weight.index_select(dim, units).float()
    std = chosen.std() if chosen.numel() > 1 else torch.zeros(())
    fresh = torch.randn(chosen.shape, generator=generator) * std + chosen.mean()
    return weight.index_copy(dim, units, fresh.to(weight.dtype))


def add_noise(weight: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """`weight` plus Gaussian noise of `noise` times its standard deviation."""
    if noise == 0:
        return weight
    drawn = torch.randn(weight.shape, generator=generator) * (noise * weight.float().std())
    return (weight.float() + drawn).to(weight.dtype)


def _misfits(reader: CheckpointReader, key: str, shape: tuple[int, ...]) -> list[str]:
    """What is wrong with the shape of a tensor that a checkpoint must have, if anything; raises for its dtype."""
    found = reader.shapes.get(key)
    if found == shape:
        reader.dtype(key)
        return []
    fault = "is missing" if found is None else f"has shape {found}, expected {shape}"
    return [f"{reader.role}: {reader.folder}: tensor {key} {fault}"]
