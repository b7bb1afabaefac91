"""Which source a document comes from, told by its path."""

import re

_ROW_NUMBER = re.compile(r"#\d+")
_SOURCE_PARTS = 2


def source_of(path: str) -> str:
    """The name of the source, which a document's path begins with: two parts of it, or all before a row's number."""
    return "/".join(_ROW_NUMBER.split(path, maxsplit=1)[0].split("/")[:_SOURCE_PARTS])
