"""Which language a file is of: by its name, and by its content where the name leaves that open."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

from multipl_judge.languages.table import Language, endings_of

_SHEBANG_BYTES = 256
_VERSION = re.compile(r"[\d.]+$")


class LanguageDetector:
    """Tells languages of a table apart, those of the package first in it.

    A name decides by the whole of it or by its ending. Where several languages share an ending (`.h`), or there is
    none, the first line (`#!`) decides, then what only one of them writes, and then magika, a small model that reads
    the content. A language that a recipe added takes an ending from those of the package.
    """

    def __init__(self, table: Mapping[str, Language]):
        self.table = dict(table)
        self._of_filename = _inverse(table, "filenames")
        self._of_extension = _inverse(table, "extensions")
        self._of_interpreter = _inverse(table, "interpreters")
        self._of_label = _inverse(table, "content_labels")
        self._of_title = _inverse(table, "other_names")
        self._patterns = {
            name: re.compile(entry.content_pattern.encode(), re.MULTILINE)
            for name, entry in table.items()
            if entry.content_pattern is not None
        }
        self._of_title |= {title: name for name, entry in table.items() for title in (entry.title.lower(), name)}

    def by_name(self, name: str) -> str | None:
        """Language of a file whose name leaves no doubt, a closing `.gz` aside."""
        path = _unzipped(name)
        if language := self._of_filename.get(path.name):
            return language
        return next((self._of_extension[ending] for ending in endings_of(path) if ending in self._of_extension), None)

    def needs_content(self, name: str, language: str) -> bool | None:
        """Whether the content of a file must tell if it is of a language; None if its name says that it is not."""
        if (sure := self.by_name(name)) is not None:
            return False if sure == language else None
        path, entry = _unzipped(name), self.table[language]
        has_no_ending = not path.suffix and not path.name.startswith(".")
        is_open = self._shares(name, language) or (has_no_ending and (entry.interpreters or entry.content_labels))
        return True if is_open else None

    def by_content(self, content: bytes, name: str) -> str | None:
        """Language of a file by its first line, the patterns of the languages that share its ending, or magika."""
        if content.startswith(b"#!"):
            return self._of_interpreter.get(_interpreter(content))
        for language, pattern in self._patterns.items():
            if self._shares(name, language) and pattern.search(content):
                return language
        return self._of_label.get(_magika_label(content))

    def _shares(self, name: str, language: str) -> bool:
        shared = self.table[language].shared_extensions
        return any(ending in shared for ending in endings_of(_unzipped(name)))

    def by_title(self, title: str) -> str | None:
        """Language that a data set names."""
        return self._of_title.get(title.lower())


def _unzipped(name: str) -> PurePath:
    return PurePath(name.removesuffix(".gz"))


def _inverse(table: Mapping[str, Language], field: str) -> dict[str, str]:
    return {value: name for name, entry in table.items() for value in getattr(entry, field)}


def _interpreter(content: bytes) -> str:
    line = content[:_SHEBANG_BYTES].splitlines()[0].decode("utf-8", "replace")
    words = line[2:].split()
    if words and PurePath(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return _VERSION.sub("", PurePath(words[0]).name) if words else ""


def _magika_label(content: bytes) -> str:
    return str(_magika().identify_bytes(content).output.label)


@cache
def _magika() -> Any:
    """The model, loaded when the first file needs it: that takes longer than reading most corpora's names.

    The library that runs it keeps records of the machine for its makers, unless it is told not to.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from magika import Magika

    return Magika()
