"""JSON Lines files that are equal when their documents are."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from datatrove.pipeline.writers import JsonlWriter
from fsspec.compression import register_compression

_COMPRESSION = "gzip-reproducible"


def _compressed(file: Any, mode: Any) -> gzip.GzipFile:
    """A gzip stream with neither name nor time of writing in its header."""
    return gzip.GzipFile("", mode, 6, file, mtime=0)


# Registered beside the class that asks for it, so that every process that unpickles one knows it.
register_compression(_COMPRESSION, lambda file, mode, **_: _compressed(file, mode), extensions=[], force=True)


class ReproducibleWriter(JsonlWriter):
    """Compressed JSON Lines whose bytes depend on the documents alone.

    Args:
        folder: where the files go.
        name: name of a document's file, in which `${KEY}` stands for its metadata.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__(str(folder), name, compression=_COMPRESSION)


@contextmanager
def reproducible_gzip(file: Path) -> Iterator[IO[bytes]]:
    """The stream of such a file, for lines that are no documents."""
    with file.open("wb") as raw, _compressed(raw, "wb") as stream:
        yield cast(IO[bytes], stream)
