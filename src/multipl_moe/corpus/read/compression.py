"""Opening files whose ending names their compression."""

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, cast

import pyarrow

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")


def open_decompressed(path: Path, ending: str) -> IO[bytes]:
    """The content of a file, decompressed as it is read.

    Args:
        path: the file.
        ending: its compression, one of `COMPRESSIONS`; any other stands for none.
    """
    if ending == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if ending == ".bz2":
        return cast(IO[bytes], bz2.open(path))
    if ending == ".xz":
        return cast(IO[bytes], lzma.open(path))
    if ending == ".zst":
        return cast(IO[bytes], pyarrow.input_stream(str(path), compression="zstd"))
    return path.open("rb")
