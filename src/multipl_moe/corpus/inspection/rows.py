"""Reading a corpus folder's lists line by line, choosing among the rows, telling where lists do not fit together."""

import random
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from multipl_moe.corpus.read.row_files import open_decompressed
from multipl_moe.errors import CorpusError


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file, which may be compressed; CorpusError where it is missing or broken."""
    with broken_is_an_error(file), open_decompressed(file, file.suffix) as lines:
        for line in lines:
            yield orjson.loads(line)


@contextmanager
def broken_is_an_error(file: Path) -> Iterator[None]:
    """Turns whatever is wrong with a file, or with what its rows hold, into a CorpusError that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        raise CorpusError(f"{file}: broken ({why}); build the corpus again") from None


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
