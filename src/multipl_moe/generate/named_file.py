"""The language of a text by the name of its file, which editors and prompts for fill in the middle put above it."""

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import PurePath

from multipl_judge.languages.table import LANGUAGES, endings_of

# Before a file's text: tokens of prompts for fill in the middle; else a comment in its head with nothing but its path.
_FILE_TOKEN = re.compile(r"(?:<\|file_sep\|>|<file_sep>|<filename>)[ ]*([^\s<]+)")
_FILL_TOKEN = re.compile(r"\s*<[|\w]+>\s*")  # of fill in the middle, where a prompt begins
# The path begins with a letter or digit, for else a long line of points would be tried from each of them.
# Only marks of comments stand before it: "- a.rs" is of a list, "./a.rb" of a shell, and what has quotes is a text.
_OPENS_COMMENT = r"""\s*(?://|#|--|;|%|!|/\*|<!--|\(\*|\{-|"{3}|'{3})[^\w\n]*"""
_NAMES = r"(?:(?:path|file|filename)\s*:\s*[./\\-]*)?(\w[\w./\\-]*\.\w+)\W*"
_PATH_ALONE = re.compile(_OPENS_COMMENT + _NAMES, re.IGNORECASE)
_LONGEST_NAME = 255  # of a file on a disk; of a longer text all endings are too many to look up


def language_of_named_file(text: str, endings: Mapping[str, str] | None = None) -> str | None:
    """By the name of the file that a text ends in, if it has a header that says so and its ending is known.

    Args:
        text: what a model goes on from.
        endings: languages of file endings, with the dot, beside those of the package.
    """
    if not (names := _FILE_TOKEN.findall(text) or _paths_in_head(text)):
        return None
    known = {ending: name for name, one in LANGUAGES.items() for ending in one.extensions} | dict(endings or {})
    path = PurePath(names[-1][-_LONGEST_NAME:])
    return next((known[ending] for ending in endings_of(path) if ending in known), None)


def _paths_in_head(text: str) -> list[str]:
    """Of the comments that a text begins with: editors put pieces of other files there, each below its path, and last
    the path of the text itself."""
    if (token := _FILL_TOKEN.match(text)) is not None:
        text = text[token.end() :]
    head = takewhile(lambda line: line[:1] == text[0], text.splitlines())
    return [path[1] for line in head if (path := _PATH_ALONE.fullmatch(line)) is not None]
