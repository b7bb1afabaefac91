"""The kinds of experts, one table entry each: how they are built, begin, are merged and are told of.

The rest of the package asks the entry, so that a further one is a class here, with what `_Full` has, and its name in
`moe_config.py`: in `ExpertType`, and where problems are told if `targets` or `first_dropout` is for it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from multipl_moe.model.experts import Experts, LoraExperts, StackedExperts
from multipl_moe.model.families import Family
from multipl_moe.model.gated import GatedBlock, adapt
from multipl_moe.model.moe_config import PACK, ExpertsConfig, MoeConfig

Shapes = Mapping[str, tuple[int, ...]]
Read = Callable[[str], Tensor]


class NewTensor(NamedTuple):
    """What training will change of one decoder layer, as a fresh checkpoint holds it.

    Attributes:
        name: within the layer.
        shape: of one expert; stacked ones have their number in front.
        start: `zeros`, `unit gain` (random, keeping the size of what it is multiplied with), or names of the base's
            own tensors in the layer, which it is a copy of, stacked along the rows.
        seed_name: of the random numbers, apart from those of all other tensors of the layer.
    """

    name: str
    shape: tuple[int, ...]
    start: list[str] | Literal["zeros", "unit gain"]
    seed_name: str = ""


@dataclass(frozen=True)
class BaseLayer:
    """What a kind of experts must know of a decoder layer.

    Attributes:
        shapes: of all its tensors, by name within the layer.
    """

    shapes: Shapes
    family: Family
    config: Any

    @property
    def up(self) -> list[str]:
        """Names of the matrices that make an expert's first one."""
        return [f"mlp.{part}.weight" for part in self.family.up]

    @property
    def down(self) -> str:
        """Name of the matrix back to the hidden size."""
        return f"mlp.{self.family.down}.weight"


class _Full:
    """Blocks of the base's own shape.

    Attributes:
        is_adapter: whether an expert has a rank and, if nothing routes, is PEFT's LoRA beside the base's matrices,
            which keep their names.
        is_copied: whether experts are blocks of the base's shape, which begin as copies that noise can set apart.
        place: where an expert of a model without routers works, in words.
    """

    is_adapter, is_copied = False, True
    place = "in the place of the feed-forward block"

    def add(self, layer: Any, name: str, experts: ExpertsConfig) -> None:
        """Give a base's decoder layer the expert of a pack, which works where the pack's gate is open.

        The base's own parameters keep their names, but for those of a block that full experts stand beside: they become
        `mlp.shared_expert`'s.
        """
        if not isinstance(layer.mlp, GatedBlock):
            layer.mlp = GatedBlock(layer.mlp)
        layer.mlp.experts[name] = copy.deepcopy(layer.mlp.shared_expert)

    def stack(self, moe: MoeConfig, family: Family, config: Any) -> Experts:
        """The experts of a layer in which routers choose."""
        return StackedExperts(moe.num_trained_experts, family, config)

    def start(self, layer: BaseLayer, experts: ExpertsConfig) -> Iterator[NewTensor]:
        """Tensors of what `add` makes."""
        for key, shape in layer.shapes.items():
            if key.startswith("mlp."):
                yield NewTensor(f"mlp.experts.{PACK}.{key.removeprefix('mlp.')}", shape, [key])

    def start_stacked(self, layer: BaseLayer, experts: ExpertsConfig) -> Iterator[NewTensor]:
        """Tensors of what `stack` makes."""
        for name, keys in ((layer.family.up_name, layer.up), ("down_proj", [layer.down])):
            num_rows, columns = sum(layer.shapes[key][0] for key in keys), layer.shapes[keys[0]][1]
            yield NewTensor(f"mlp.experts.{name}", (num_rows, columns), keys)
            if layer.family.has_bias(layer.config):
                biases = [f"{key.removesuffix('weight')}bias" for key in keys]
                yield NewTensor(f"mlp.experts.{name}_bias", (num_rows,), biases)

    def when_open(self, key: str, name: str, shapes: Shapes, experts: ExpertsConfig) -> Callable[[Read], Tensor] | None:
        """What of a checkpoint yields a base's tensor as it is while a pack's gate is open; None: the base's own."""
        own = key.replace(".mlp.", f".mlp.experts.{name}.")
        return (lambda read: read(own)) if own != key and own in shapes else None

    def differences(
        self, read: Read, prefix: str, part: str, kind: str, shared: Tensor, family: Family, moe: MoeConfig
    ) -> Iterator[Tensor]:
        """Of each stacked expert, in float32, what a `part` of the block differs in from the `shared` one.

        `prefix` is that of the block, `kind` weight or bias.
        """
        suffix = "_bias" if kind == "bias" else ""
        return (expert.float() - shared for expert in _stacked_part(read, prefix, part, suffix, family))

    def describe(self, experts: ExpertsConfig) -> str | None:
        """What an expert is, in words for the model card; None: all is said."""
        return None


class _Lora:
    """Low-rank differences, PEFT's LoRA where nothing routes."""

    is_adapter, is_copied = True, False
    place = "beside the base's matrices"

    def add(self, layer: Any, name: str, experts: ExpertsConfig) -> None:
        blocks = [layer.mlp, layer.self_attn] if experts.targets == "all" else [layer.mlp]
        for linear in (part for block in blocks for part in block.modules() if isinstance(part, nn.Linear)):
            adapt(linear, name, experts.rank, experts.scale)

    def stack(self, moe: MoeConfig, family: Family, config: Any) -> Experts:
        return LoraExperts(moe.num_trained_experts, moe.experts.rank, moe.experts.scale, family, config)

    def start(self, layer: BaseLayer, experts: ExpertsConfig) -> Iterator[NewTensor]:
        blocks = ("mlp.", "self_attn.") if experts.targets == "all" else ("mlp.",)
        for key, shape in layer.shapes.items():
            if key.startswith(blocks) and key.endswith(".weight") and len(shape) == 2:
                name = f"{key.removesuffix('weight')}adapters.{PACK}."
                yield NewTensor(f"{name}lora_A", (experts.rank, shape[1]), "unit gain", key)
                yield NewTensor(f"{name}lora_B", (shape[0], experts.rank), "zeros")

    def start_stacked(self, layer: BaseLayer, experts: ExpertsConfig) -> Iterator[NewTensor]:
        up_rows = sum(layer.shapes[key][0] for key in layer.up)
        sizes = {layer.family.up_name: (up_rows, layer.shapes[layer.up[0]][1]), "down_proj": layer.shapes[layer.down]}
        for name, (num_out, num_in) in sizes.items():
            yield NewTensor(f"mlp.experts.{name}_a", (experts.rank, num_in), "unit gain", f"{name}_a")
            yield NewTensor(f"mlp.experts.{name}_b", (num_out, experts.rank), "zeros")

    def when_open(self, key: str, name: str, shapes: Shapes, experts: ExpertsConfig) -> Callable[[Read], Tensor] | None:
        factors = f"{key.removesuffix('weight')}adapters.{name}.lora_"
        if not key.endswith(".weight") or f"{factors}B" not in shapes:
            return None
        return lambda read: (
            read(key).float() + experts.scale * (read(f"{factors}B").float() @ read(f"{factors}A").float())
        )

    def differences(
        self, read: Read, prefix: str, part: str, kind: str, shared: Tensor, family: Family, moe: MoeConfig
    ) -> Iterator[Tensor]:
        if kind == "bias":
            return (torch.zeros_like(shared) for _ in range(moe.num_trained_experts))
        a_name = "down_proj" if part == family.down else family.up_name
        factors = _stacked_part(read, prefix, part, "_b", family), read(f"{prefix}experts.{a_name}_a")
        return (moe.experts.scale * (b.float() @ a.float()) for b, a in zip(*factors, strict=True))

    def describe(self, experts: ExpertsConfig) -> str | None:
        what = "feed-forward block and attention" if experts.targets == "all" else "block"
        return f"a difference of rank {experts.rank} (alpha {experts.alpha:g}) from the frozen {what}"


def _stacked_part(read: Read, prefix: str, part: str, suffix: str, family: Family) -> Tensor:
    """(E, ...) the rows of a part in a stacked tensor; an upper one shares its tensor with the other parts."""
    if part == family.down:
        return read(f"{prefix}experts.down_proj{suffix}")
    stacked = read(f"{prefix}experts.{family.up_name}{suffix}")
    return stacked.chunk(len(family.up), dim=1)[family.up.index(part)]


EXPERT_KINDS: dict[str, _Full | _Lora] = {"full": _Full(), "lora": _Lora()}
