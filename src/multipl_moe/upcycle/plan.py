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
from multipl_moe.model.domain_gate import gate_layer
from multipl_moe.model.families import Family, family_of
from multipl_moe.model.moe_config import PACK, MoeConfig
from multipl_moe.upcycle.gate_start import GateStart
from multipl_moe.upcycle.router_start import RouterStart, random_rows

_Part = tuple[str, tuple[int, ...], Callable[[], Iterable[Tensor]]]  # name, shape and values of stacked weights
_MLP_KEY = re.compile(r"^(?P<prefix>.*layers\.(?P<layer>\d+)\.mlp\.)(?P<rest>.+)$")


class UpcyclePlan:
    """Maps a base's tensors to those of the hybrid model (file layout of design 3).

    Args:
        reader: the base's tensors.
        config: the base's configuration.
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
            plans.append(TensorPlan(name, shape, self.dtype, partial(self._copy, key)))
        for layer in self.moe.layers:
            plans.extend(self._new_tensors(layer, self._prefixes[layer]))
        if self.gate_start is not None:
            prefix = f"{self._prefixes[self.moe.layers[0]].partition('layers.')[0]}domain_gates.{PACK}."
            for name, value in self.gate_start.tensors.items():
                pieces = partial(_one, value)
                plans.append(TensorPlan(f"{prefix}{name}", tuple(value.shape), torch.float32, pieces))
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
        up_rows = self._up_size // len(self.family.up)
        shapes: dict[str, tuple[int, ...]] = {f"{prefix}{part}.weight": (up_rows, hidden) for part in self.family.up}
        shapes[f"{prefix}{self.family.down}.weight"] = (hidden, intermediate)
        if self.family.has_bias(self.config):
            shapes |= {f"{prefix}{part}.bias": (up_rows,) for part in self.family.up}
            shapes[f"{prefix}{self.family.down}.bias"] = (hidden,)
        return shapes

    @property
    def _up_size(self) -> int:
        return self.config.intermediate_size * (2 if self.family.gated else 1)

    def _new_tensors(self, layer: int, prefix: str) -> Iterator[TensorPlan]:
        hidden, moe = self.config.hidden_size, self.moe

        def plan(name: str, shape: tuple[int, ...], pieces: Callable[[], Iterable[Tensor]], dtype=self.dtype):
            return TensorPlan(f"{prefix}{name}", shape, dtype, pieces)

        if not moe.is_routed:
            for name, shape, pieces in (self._adapters if moe.expert_type == "lora" else self._expert)(layer, prefix):
                yield TensorPlan(name, shape, self.dtype, pieces)
            return
        experts = self._low_rank_experts if moe.expert_type == "lora" else self._full_experts
        for name, shape, pieces in experts(layer, prefix):
            yield plan(f"experts.{name}", shape, pieces)
        start = {} if self.router_start is None else self.router_start.layers[layer]
        is_routed = {"token": moe.num_token_experts > 1, "segment": moe.routes_segments}
        for kind, num_experts in (("token", moe.num_token_experts), ("segment", moe.num_segment_experts)):
            if is_routed[kind]:
                name = f"{kind}_router.weight"
                rows = partial(self._rows, start.get(name), layer, kind, num_experts)
                yield plan(name, (num_experts, hidden), rows)
        if moe.routes_segments:
            nothing_before = start.get("segment_start", torch.zeros(hidden))
            yield plan("segment_start", (hidden,), lambda: [nothing_before])
            if moe.segment_centered:
                mean = start.get("segment_mean", torch.zeros(hidden))
                yield plan("segment_mean", (hidden,), lambda: [mean], torch.float32)
            even = torch.full((moe.num_segment_experts,), 1 / moe.num_segment_experts)
            threshold = start.get("segment_threshold", even)
            yield plan("segment_threshold", tuple(threshold.shape), lambda: [threshold], torch.float32)
        if moe.has_token_bias:
            bias = start.get("token_bias", torch.zeros(moe.num_routed_experts))
            yield plan("token_bias", tuple(bias.shape), lambda: [bias], torch.float32)

    @property
    def _moves_block(self) -> bool:
        """Whether the base's block becomes part of another; beside its matrices, adapters change no name."""
        return self.moe.is_routed or self.moe.expert_type == "full"

    def _adapters(self, layer: int, prefix: str) -> Iterator[_Part]:
        """Of one layer: A random, B zero, beside each matrix that the expert changes."""
        blocks = [prefix]
        if self.moe.expert_targets == "all" and layer > gate_layer(self.moe.layers, self.config.num_hidden_layers):
            blocks.append(f"{prefix.removesuffix('mlp.')}self_attn.")
        for key, shape in self.reader.shapes.items():
            if not (key.startswith(tuple(blocks)) and key.endswith(".weight") and len(shape) == 2):
                continue
            rank, (num_out, num_in) = self.moe.expert_rank, shape
            name, part = f"{key.removesuffix('weight')}adapters.{PACK}.", key.partition(f"layers.{layer}.")[2]
            a_shape, b_shape = (rank, num_in), (num_out, rank)
            yield f"{name}lora_A", a_shape, partial(self._unit_gain, layer, part, (1, *a_shape))
            yield f"{name}lora_B", b_shape, partial(_zeros, (1, *b_shape))

    def _expert(self, layer: int, prefix: str) -> Iterator[_Part]:
        """Of one layer: the block that takes the base's place, part by part."""
        for key, shape in self._block_shapes(prefix).items():
            part = key.removeprefix(prefix)
            is_down = part.startswith(self.family.down)
            unit_dim = None if is_down and part.endswith("bias") else int(is_down)
            yield f"{prefix}experts.{PACK}.{part}", shape, partial(self._experts, layer, [key], unit_dim)

    def _full_experts(self, layer: int, prefix: str) -> Iterator[_Part]:
        num_experts, hidden, up_name = self.moe.num_trained_experts, self.config.hidden_size, self.family.up_name
        up_keys = [f"{prefix}{part}" for part in self.family.up]
        down_key = f"{prefix}{self.family.down}"
        experts = partial(self._experts, layer)
        weights = [f"{key}.weight" for key in up_keys]
        yield up_name, (num_experts, self._up_size, hidden), partial(experts, weights, 0)
        down_shape = (num_experts, hidden, self.config.intermediate_size)
        yield "down_proj", down_shape, partial(experts, [f"{down_key}.weight"], 1)
        if self.family.has_bias(self.config):
            biases = [f"{key}.bias" for key in up_keys]
            yield f"{up_name}_bias", (num_experts, self._up_size), partial(experts, biases, 0)
            yield "down_proj_bias", (num_experts, hidden), partial(experts, [f"{down_key}.bias"], None)

    def _low_rank_experts(self, layer: int, prefix: str) -> Iterator[_Part]:
        num_experts, rank, hidden = self.moe.num_trained_experts, self.moe.expert_rank, self.config.hidden_size
        sizes = {self.family.up_name: (self._up_size, hidden), "down_proj": (hidden, self.config.intermediate_size)}
        for name, (num_out, num_in) in sizes.items():
            a_shape, b_shape = (num_experts, rank, num_in), (num_experts, num_out, rank)
            yield f"{name}_a", a_shape, partial(self._unit_gain, layer, f"{name}_a", a_shape)
            yield f"{name}_b", b_shape, partial(_zeros, b_shape)

    def _unit_gain(self, layer: int, name: str, shape: tuple[int, ...]) -> Iterator[Tensor]:
        """Random matrices, one an expert, that keep the size of what they are multiplied with."""
        for expert in range(shape[0]):
            generator = expert_generator(self.seed, layer, expert, name)
            yield torch.randn(shape[1:], generator=generator) * shape[-1] ** -0.5

    def _copy(self, key: str) -> list[Tensor]:
        return [self.reader.read(key)]

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


def _one(value: Tensor) -> list[Tensor]:
    return [value]


def _zeros(shape: tuple[int, ...]) -> Iterator[Tensor]:
    return (torch.zeros(shape[1:]) for _ in range(shape[0]))


def _misfits(reader: CheckpointReader, key: str, shape: tuple[int, ...]) -> list[str]:
    """What is wrong with the shape of a tensor that a checkpoint must have, if anything; raises for its dtype."""
    found = reader.shapes.get(key)
    if found == shape:
        reader.dtype(key)
        return []
    fault = "is missing" if found is None else f"has shape {found}, expected {shape}"
    return [f"{reader.role}: {reader.folder}: tensor {key} {fault}"]
