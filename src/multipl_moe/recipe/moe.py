"""The hybrid layer, and how it is made: the sections `moe` and `upcycle`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model

from multipl_moe.model.moe_config import PRESETS, MoeConfig
from multipl_moe.recipe.section import Section

_MOE_OVERRIDES: dict[str, Any] = {
    name: (annotation | None, None)
    for name, annotation in MoeConfig.__annotations__.items()
    if name not in ("preset", "layers")
}
_MoeOverrides = create_model("_MoeOverrides", __base__=Section, **_MOE_OVERRIDES)


class MoeSection(_MoeOverrides):
    """Settings of the hybrid layer: a preset, and each setting of `MoeConfig` that should differ from it."""

    preset: str = Field(default="causal", description=f"Preset of the hybrid layer: {', '.join(PRESETS)}.")
    layers: str | list[int] = Field(
        default="all", description="Decoder layers to make hybrid: all, last:N, every:N or indices, as [3, 7] or 3,7."
    )

    def resolve(self, layers: list[int]) -> MoeConfig:
        """The settings for the given layer indices."""
        overrides = self.model_dump(exclude={"preset", "layers"}, exclude_none=True)
        return MoeConfig.from_preset(self.preset, layers=layers, **overrides)


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
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Data type of the hybrid's weights; auto: as in the base."
    )
    verify: bool = Field(default=True, description="Compare the new hybrid's logits with the base's on a probe.")
