"""The folder for what is made once and used again: converted bases, and what toolchains compile once."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from multipl_judge.errors import OutputError
from multipl_judge.file_lock import file_lock


def cache_folder() -> Path:
    """$MULTIPL_MOE_CACHE, or multipl-moe in the user's cache folder."""
    if folder := os.environ.get("MULTIPL_MOE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "multipl-moe"


@contextmanager
def cache_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder in the cache, for which other threads and processes wait; its parent is made.

    Raises:
        OutputError: the parent cannot be written.
    """
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(folder.with_name(f".{folder.name}.lock"), wait=True))
        except OSError as error:
            raise OutputError(
                f"caches: {folder.parent} cannot be written ({error.strerror}); set MULTIPL_MOE_CACHE to another folder"
            ) from error
        yield
