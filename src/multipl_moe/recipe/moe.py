"""The hybrid layer, and how it is made: the sections `moe` and `upcycle`."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model

from multipl_moe.errors import ConfigError
from multipl_moe.model.moe_config import PRESETS, ExpertsConfig, ExpertType, GateConfig, MoeConfig
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.recipe.section import Section, UserPath

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def _overrides(settings: type) -> type[Section]:
    """A section of a part of `MoeConfig`, in which all is what the preset has until it is given."""
    types: dict[str, Any] = {part.name: part.type for part in fields(settings)}
    keys: dict[str, Any] = {key: (wanted | None, None) for key, wanted in types.items()}
    return create_model(f"{settings.__name__}Overrides", __base__=Section, **keys)


_GateOverrides, _ExpertsOverrides, _RoutingOverrides = map(_overrides, (GateConfig, ExpertsConfig, RoutingConfig))


class GateSection(_GateOverrides):
    """For which text experts work; `upcycle` fits the gate to the corpus."""

    languages: list[str] | None = None
    """Languages for whose text experts work, the base's blocks working elsewhere. Left out: those to learn; []: no
    gate, experts work for all text."""


class ExpertsSection(_ExpertsOverrides):
    """What is trained, and where."""

    layers: str | list[int] = "all"
    """Decoder layers that get experts: all, last:N, every:N or indices, as [3, 7] or 3,7. Few of them learn more when
    spread (every:4) than at the top (docs/results.md)."""


class RoutingSection(_RoutingOverrides):
    """How routers choose among several experts, for presets that have any."""


class MoeSection(Section):
    """What is added to the base: a preset, and each setting that should differ from it."""

    preset: str = Field(
        default="pack",
        description=f"Where the settings start: {', '.join(PRESETS)}. pack, the default, has one low-rank expert a "
        "layer, single one full expert, the others routers among several.",
    )
    gate: GateSection = Field(default_factory=GateSection)
    experts: ExpertsSection = Field(default_factory=ExpertsSection)
    routing: RoutingSection = Field(default_factory=RoutingSection)

    @property
    def experts_type(self) -> ExpertType | None:
        """Form of the experts; None where the preset that would decide is unknown."""
        given: ExpertType | None = self.experts.model_dump()["type"]
        return given or (PRESETS[self.preset].experts.type if self.preset in PRESETS else None)

    @classmethod
    def of_hybrid(cls, moe: MoeConfig) -> "MoeSection":
        """The section that a hybrid with these settings is made by."""
        return cls.model_validate({part: values for part, values in moe.to_dict().items() if values is not None})

    def resolve(self, layers: list[int], learn: list[str]) -> MoeConfig:
        """The settings for the given layer indices; with a domain gate, it opens for the languages to learn."""
        gate, experts, routing = (
            part.model_dump(exclude_none=True) for part in (self.gate, self.experts, self.routing)
        )
        gate = {"languages": list(learn)} | gate
        return MoeConfig.from_preset(self.preset, gate=gate, experts=experts | {"layers": layers}, routing=routing)

    def resolve_on(self, base: "PreTrainedConfig", learn: list[str]) -> MoeConfig:
        """`resolve` for the layers of a base; raises ConfigError where it has no such layers, or is too narrow."""
        moe = self.resolve(resolve_layers(self.experts.layers, base.num_hidden_layers), learn)
        most = min(base.hidden_size, base.intermediate_size)
        if expert_kind(moe.experts.type).is_adapter and moe.experts.rank > most:
            raise ConfigError(f"moe.experts.rank: {moe.experts.rank} must be between 1 and {most}, as wide as the base")
        return moe


class UpcycleSection(Section):
    """How experts are initialised from the base's feed-forward blocks."""

    noise: float = Field(default=0.0, ge=0, le=1)
    """Gaussian noise added to each expert's weights, in standard deviations of the weights."""
    other_text: list[UserPath] = []
    """Folders with text for which the domain gate should stay shut, besides files from installed packages: for example
    /usr/share/perl, as Perl looks like Ruby. Up to 100 files are read of each ending, of up to 40 endings; files in the
    recipe's languages are left out."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Data type of the hybrid's weights; auto: as in the base."""
    verify: bool = True
    """Compare the new hybrid's logits with the base's on a probe."""


def expert_kind(name: ExpertType) -> Any:
    """A kind's entry in `EXPERT_KINDS`, which is imported when it is asked for: it brings torch, and most need none."""
    from multipl_moe.model.expert_kinds import EXPERT_KINDS

    return EXPERT_KINDS[name]


def resolve_layers(spec: str | list[int], num_layers: int) -> list[int]:
    """Layer indices, ascending, that `spec` means for a base of `num_layers` decoder layers.

    `every:N` takes each N-th layer counted from the last one.

    Raises:
        ConfigError: the specification cannot be read or leaves the range.
    """
    if isinstance(spec, str) and spec.replace(",", "").isdecimal():
        spec = [int(part) for part in spec.split(",") if part]
    if isinstance(spec, list):
        if outside := [index for index in spec if not 0 <= index < num_layers]:
            raise ConfigError(f"moe.experts.layers: {outside} outside the base's layers 0..{num_layers - 1}")
        if not spec:
            raise ConfigError("moe.experts.layers: the list is empty; name at least one layer")
        if twice := sorted({index for index in spec if spec.count(index) > 1}):
            raise ConfigError(f"moe.experts.layers: {twice} given twice; name each layer once")
        return sorted(spec)
    if spec == "all":
        return list(range(num_layers))
    kind, _, count = spec.partition(":")
    if kind not in ("last", "every") or not count.isdecimal():
        raise ConfigError(f"moe.experts.layers: {spec!r} is not all, last:N, every:N or a list of indices")
    if not 1 <= int(count) <= num_layers:
        raise ConfigError(
            f"moe.experts.layers: {spec!r} outside the base's {num_layers} layers; use {kind}:1..{num_layers}"
        )
    if kind == "last":
        return list(range(num_layers - int(count), num_layers))
    return list(range(num_layers - 1, -1, -int(count)))[::-1]
