"""Languages that a recipe adds, as entries of the judge's table of toolchains and of the table of frames."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from multipl_moe.errors import ConfigError
from multipl_moe.languages.frames import FRAMES
from multipl_moe.languages.own import OwnLanguage
from multipl_moe.languages.toolchains import TOOLCHAINS


def add_languages(languages: Mapping[str, OwnLanguage]) -> None:
    """Put those of a recipe's languages that can be judged into the tables of this process.

    Raises:
        ConfigError: a language is there already with another entry.
    """
    for name, language in languages.items():
        if language.toolchain is not None:
            _add(TOOLCHAINS, name, language.toolchain)
            _add(FRAMES, name, language.frame)


def _add(table: MutableMapping[str, Any], name: str, entry: Any) -> None:
    if table.setdefault(name, entry) != entry:
        raise ConfigError(f"own_languages.{name}: there is a language of that name already; use another")
