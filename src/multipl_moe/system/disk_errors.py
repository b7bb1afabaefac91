"""Writes that failed because of the disk and not of the program, told in one line."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multipl_moe.errors import DiskError, OutputError, UserError

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# safetensors and torch.save do not raise OSError; the latter does not tell why a write failed.
_SIGNS = {f"os error {number}": number for number in _OF_THE_DISK}
_SIGNS |= dict.fromkeys(("iostream error", "PytorchStreamWriter failed", "unexpected pos"), errno.ENOSPC)
_FREE_SOME = "free some space or choose another disk"


def disk_errno(error: BaseException) -> int | None:
    """The number of the error by which a disk took no more, be it this one or one that it followed from; else None."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in _OF_THE_DISK:
            return found.errno
        for sign, number in _SIGNS.items():
            if not isinstance(found, OSError) and sign in str(found):
                return number
        found = found.__cause__ or found.__context__  # as what could not be closed on a full disk
    return None


@contextmanager
def disk_errors_explained(output: Path, remedy: str = _FREE_SOME) -> Iterator[None]:
    """Turn what the disk refuses in this block into a DiskError that names the output."""
    try:
        yield
    except Exception as error:  # of the libraries that write, each has its own
        if isinstance(error, UserError) or (number := disk_errno(error)) is None:
            raise
        raise DiskError(f"output: {output} cannot be written ({os.strerror(number)}); {remedy}") from error


@contextmanager
def write_errors_explained(output: Path) -> Iterator[None]:
    """Turn any error of the system in this block, which does nothing but write, into an OutputError."""
    try:
        with disk_errors_explained(output):
            yield
    except OSError as error:
        raise OutputError(f"output: {output} cannot be written ({error.strerror}); choose another folder") from error


def what_was_denied(error: Exception) -> str | None:
    """The line on an error of disk, permissions or a name too long, wherever it came from; None for others, defects."""
    file = getattr(error, "filename", None)
    if number := disk_errno(error):
        return f"{file or 'output'}: cannot be written ({os.strerror(number)}); {_FREE_SOME}"
    if isinstance(error, PermissionError) and file is not None:
        return f"{file}: {error.strerror}; change its permissions or choose another place"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG and file is not None:
        return f"{file}: {error.strerror}; choose a shorter one"
    return None
