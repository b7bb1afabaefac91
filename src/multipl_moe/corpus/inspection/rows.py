"""Choosing among the rows of a corpus folder's lists, telling where lists do not fit together."""

import random
import re
from pathlib import Path

from multipl_moe.errors import CorpusError


def require_told(file: Path, what: str, found: int, told: int) -> None:
    """Raise CorpusError where a file does not hold as much as manifest.json says."""
    if found != told:
        raise CorpusError(f"{file}: has {found:,} {what}, but manifest.json says {told:,}; build the corpus again")


def drawn(seed: str, total: int, size: int) -> set[int]:
    """Which of `total` items are shown: `size` of them, each as likely as any other, or all; the seed decides."""
    return set(random.Random(seed).sample(range(total), max(min(size, total), 0)))


_ROW_NUMBER = re.compile(r"#\d+")
_SOURCE_PARTS = 2


def source_of(path: str) -> str:
    """The name of the source, which a document's path begins with: two parts of it, or all before a row's number."""
    return "/".join(_ROW_NUMBER.split(path, maxsplit=1)[0].split("/")[:_SOURCE_PARTS])
