"""Leaving out minified code and data that only looks like code.

The limits on lines and letters are those of StarCoder's corpus (Li et al. 2023, arXiv 2305.06161): lines of 1,000
characters, lines of 100 on average, fewer than a quarter letters and digits.
"""

import string
from collections.abc import Mapping

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.languages.table import Language

MAX_LINE_CHARACTERS = 1000
MAX_MEAN_LINE_CHARACTERS = 100
MIN_ALPHANUMERIC_SHARE = 0.25
MIN_SPACE_SHARE = 0.03  # minified code and encoded data have next to no white space
_MIN_SHARE_BYTES = 200  # shares of less say little
_ALPHANUMERIC = (string.ascii_letters + string.digits).encode() + bytes(range(0x80, 0x100))
_SPACE = string.whitespace.encode()


def minified_measure(text: str) -> str | None:
    """What makes a text look minified, in words with the figure, or None for a text that does not."""
    lines = text.split("\n")
    longest = max(map(len, lines))
    if longest > MAX_LINE_CHARACTERS:
        return f"a line of {longest} characters"
    mean = len(text) / len(lines)
    if mean > MAX_MEAN_LINE_CHARACTERS:
        return f"lines of {mean:.0f} characters on average"
    content = text.encode("utf-8", "surrogatepass")
    size = len(content)
    if size < _MIN_SHARE_BYTES:
        return None
    alphanumeric = 1 - len(content.translate(None, _ALPHANUMERIC)) / size
    if alphanumeric < MIN_ALPHANUMERIC_SHARE:
        return f"{alphanumeric:.0%} letters and digits"
    space = 1 - len(content.translate(None, _SPACE)) / size
    if space < MIN_SPACE_SHARE:
        return f"{space:.0%} white space"
    return None


class MinifiedFiles(BaseFilter):
    """Drops minified code; the reason is `minified`, the detail what shows it.

    Natural language passes: a paragraph on one line is a habit there.

    Args:
        table: entries of the languages, which say what is natural.
        exclusion_writer: is given what is dropped.
    """

    name = "Minified files"

    def __init__(self, table: Mapping[str, Language], exclusion_writer: DiskWriter | None = None):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]
        self.table = table

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Keep the document unless it is minified."""
        if not self.table[doc.metadata["language"]].is_code:
            return True
        measure = minified_measure(doc.text)
        if measure is None:
            return True
        doc.metadata["detail"] = measure
        return False, "minified"
