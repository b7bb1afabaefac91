"""What is compiled once and used by many programs: precompiled headers, archives of classes, libraries.

A cache is made inside a jail, like everything that compiles, in a staging folder that is renamed when it is whole.
Processes that want the same cache at once wait for one of them to make it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from multipl_moe.staging import staged_folder
from multipl_moe.upcycle.base import cache_folder

_READABLE_BY_ALL = 0o444
_ENTERED_BY_ALL = 0o555
_OWNER_WRITES = 0o200
_KEY_CHARACTERS = 16


@dataclass(frozen=True)
class Cache:
    """A folder that commands fill.

    Attributes:
        name: of the folder, for people.
        commands: run in order, with the placeholders of a toolchain's commands; `{folder}` is the one to fill.
        files: name to text, written before the commands run.
        required: whether programs cannot do without it; else it only saves time.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, str] = field(default_factory=dict)
    required: bool = True


def place_of(cache: Cache, facts: Mapping[str, str]) -> Path:
    """The cache's folder, whether it is made or not.

    Args:
        cache: as it will be made, placeholders replaced.
        facts: all else that the content depends on, such as the compiler's version.
    """
    content = json.dumps([cache.commands, dict(cache.files), dict(facts)], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:_KEY_CHARACTERS]
    return cache_folder() / "judge" / f"{cache.name}-{key}"


def make(cache: Cache, folder: Path, fill: Callable[[Path], None]) -> None:
    """Make the cache's folder unless it is there.

    Args:
        cache: what to make.
        folder: its place.
        fill: runs the cache's commands in the folder it is given; whatever it raises leaves no folder behind.

    Raises:
        OutputError: the folder for caches cannot be written.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return
        with staged_folder(folder) as staging:
            for name, text in cache.files.items():
                file = staging / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            fill(staging)
            _open_to_readers(staging)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock that other threads and processes wait for."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open_to_readers(folder: Path) -> None:
    """Take the folder over from the jail's user, and let every other one read it: each slot of the jail has its own."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(_OWNER_WRITES | (_ENTERED_BY_ALL if path.is_dir() or os.access(path, os.X_OK) else _READABLE_BY_ALL))
