"""Languages that a user adds in a recipe: an entry in the judge's table of toolchains and one in that of frames."""

from collections.abc import Mapping, MutableMapping
from dataclasses import fields
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from multipl_moe.errors import ConfigError
from multipl_moe.judge.toolchain import Toolchain
from multipl_moe.judge.toolchains import TOOLCHAINS
from multipl_moe.problems.sealing import FRAMES, Frame


class OwnLanguage(BaseModel):
    """A language's toolchain and frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    toolchain: Toolchain = Field(description="Fields of judge.toolchain.Toolchain.")
    frame: Frame = Field(description="Fields of problems.sealing.Frame.")

    @field_validator("toolchain", "frame", mode="before")
    @classmethod
    def _has_known_keys(cls, value: Any, info: Any) -> Any:
        kind = {"toolchain": Toolchain, "frame": Frame}[info.field_name]
        known = [field.name for field in fields(kind)]
        if isinstance(value, Mapping) and (unknown := [str(key) for key in value if key not in known]):
            raise ValueError(f"unknown key {', '.join(unknown)}; known keys: {', '.join(known)}")
        return value


def add_languages(languages: Mapping[str, OwnLanguage]) -> None:
    """Put a recipe's languages into the tables of this process.

    Raises:
        ConfigError: a language is there already with another entry.
    """
    for name, language in languages.items():
        _add(TOOLCHAINS, name, language.toolchain)
        _add(FRAMES, name, language.frame)


def _add(table: MutableMapping[str, Any], name: str, entry: Any) -> None:
    if table.setdefault(name, entry) != entry:
        raise ConfigError(f"programs.own_languages.{name}: there is a language of that name already; use another")
