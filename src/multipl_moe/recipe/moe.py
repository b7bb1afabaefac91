"""The hybrid layer, and how it is made: the sections `moe` and `upcycle`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from multipl_moe.errors import ConfigError
from multipl_moe.model.moe_config import PRESETS, MoeConfig
from multipl_moe.recipe.section import Section

_MOE_OVERRIDES: dict[str, Any] = {
    name: (annotation | None, None)
    for name, annotation in MoeConfig.__annotations__.items()
    if name not in ("preset", "layers", "domain_gate")
}
_MoeOverrides = create_model("_MoeOverrides", __base__=Section, **_MOE_OVERRIDES)


class MoeSection(_MoeOverrides):
    """Settings of the hybrid layer: a preset, and each that should differ from it (defaults: of `causal` first)."""

    preset: str = Field(default="single", description=f"Preset of the hybrid layer: {', '.join(PRESETS)}.")
    layers: str | list[int] = Field(
        default="all",
        description="Decoder layers to make hybrid: all, last:N, every:N or indices, as [3, 7] or 3,7. Few of them "
        "learn more when spread (every:4) than at the top (docs/results.md).",
    )

    domain_gate: bool = Field(
        default=True,
        description="Let experts work only if the text so far is in a language to learn; if not, the base's "
        "blocks work. `upcycle` fits the gate to the corpus.",
    )

    @classmethod
    def of_hybrid(cls, moe: MoeConfig) -> "MoeSection":
        """The section that a hybrid with these settings is made by."""
        return cls.model_validate(moe.to_dict() | {"domain_gate": bool(moe.domain_gate)})

    def resolve(self, layers: list[int], learn: list[str]) -> MoeConfig:
        """The settings for the given layer indices; with a domain gate, it opens for the languages to learn."""
        overrides = self.model_dump(exclude={"preset", "layers", "domain_gate"}, exclude_none=True)
        gate = list(learn) if self.domain_gate else []
        return MoeConfig.from_preset(self.preset, layers=layers, domain_gate=gate, **overrides)


class UpcycleSection(Section):
    """How experts are initialised from the base's feed-forward blocks."""

    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Gaussian noise added to each expert's weights, in standard deviations of the weights.",
    )
    reinit: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of each expert's intermediate units to re-initialise (Drop-Upcycling).",
    )
    experts_from: Path | None = Field(
        default=None,
        strict=False,
        description="Dense model fine-tuned from the base, whose feed-forward blocks initialise the experts; the "
        "shared expert stays the base's (Branch-Train-MiX).",
    )
    other_text: list[Annotated[Path, Field(strict=False)]] = Field(
        default=[],
        description="Folders with text for which the domain gate should stay shut, besides files from installed "
        "packages: for example /usr/share/perl, as Perl looks like Ruby. Up to 24 files are read of each ending, of "
        "up to 40 endings; files in the recipe's languages are left out.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Data type of the hybrid's weights; auto: as in the base."
    )
    verify: bool = Field(default=True, description="Compare the new hybrid's logits with the base's on a probe.")


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
            raise ConfigError(f"moe.layers: {outside} outside the base's layers 0..{num_layers - 1}")
        if not spec:
            raise ConfigError("moe.layers: the list is empty; name at least one layer")
        return sorted(set(spec))
    if spec == "all":
        return list(range(num_layers))
    kind, _, count = spec.partition(":")
    if kind not in ("last", "every") or not count.isdecimal():
        raise ConfigError(f"moe.layers: {spec!r} is not all, last:N, every:N or a list of indices")
    if not 1 <= int(count) <= num_layers:
        raise ConfigError(f"moe.layers: {spec!r} outside the base's {num_layers} layers; use {kind}:1..{num_layers}")
    if kind == "last":
        return list(range(num_layers - int(count), num_layers))
    return list(range(num_layers - 1, -1, -int(count)))[::-1]
