"""What is compiled once and used by many programs: precompiled headers, archives of classes, libraries.

A cache is made inside a sandbox, like everything that compiles, in a staging folder that is renamed when it is whole.
Processes that want the same cache at once wait for one of them to make it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_judge.errors import ConfigError, OutputError
from multipl_judge.judge.bubblewrap import all_may_enter
from multipl_judge.languages.toolchain import Cache

_READABLE_BY_ALL = 0o644
_ENTERED_BY_ALL = 0o755
_KEY_CHARACTERS = 16


def cache_path(cache: Cache, facts: Mapping[str, str], *, for_others: bool = False) -> Path:
    """The cache's folder, whether it is made or not.

    Args:
        cache: as it will be made, placeholders replaced.
        facts: all else that the content depends on, such as the compiler's version.
        for_others: whether other users must reach it under its own name. The usual folder may lie in the home of root,
            which they cannot enter; then it is one below the folder for temporary files.

    Raises:
        ConfigError: somebody else has put something in that place.
    """
    content = json.dumps([cache.commands, dict(cache.files), dict(facts)], sort_keys=True)
    name = f"{cache.name}-{hashlib.sha256(content.encode()).hexdigest()[:_KEY_CHARACTERS]}"
    usual = cache_folder() / "judge" / name
    return _shared_folder() / name if for_others and not all_may_enter(usual) else usual


def make(cache: Cache, folder: Path, fill: Callable[[Path], None]) -> None:
    """Make the cache's folder unless it is there.

    Args:
        fill: runs the cache's commands in the folder it is given; whatever it raises leaves no folder behind.

    Raises:
        OutputError: the folder for caches cannot be written.
    """
    if is_made(folder):
        return
    with cache_lock(folder):
        if is_made(folder):
            return
        with _staged(folder) as staging:
            for name, text in cache.files.items():
                file = staging / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            fill(staging)
            _open_to_readers(staging)


def is_made(folder: Path) -> bool:
    """Whether a cache is there; what this process may not look at is not."""
    return os.path.isdir(folder)  # noqa: PTH112 (Path.is_dir raises where it may not look)


@contextmanager
def _staged(folder: Path) -> Generator[Path]:
    """A folder beside a cache whose lock is held: renamed if the block succeeds, else removed."""
    staging = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)  # what a killed process left
    try:
        staging.mkdir()
        yield staging
        staging.rename(folder)
    except BaseException as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError):
            remedy = "free some space, or set MULTIPL_MOE_CACHE to another folder"
            raise OutputError(f"caches: {folder} cannot be made ({error.strerror}); {remedy}") from error
        raise


def _shared_folder() -> Path:
    """A folder below the one for temporary files; there it might be anybody's."""
    folder = Path(tempfile.gettempdir()) / f"multipl-moe-{os.geteuid()}"
    folder.mkdir(mode=_ENTERED_BY_ALL, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise ConfigError(f"caches: {folder} belongs to somebody else; remove it, or set MULTIPL_MOE_CACHE")
    return folder


def _open_to_readers(folder: Path) -> None:
    """Take the folder over from the sandbox's user, and let all others read it: each worker has its own."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(_ENTERED_BY_ALL if path.is_dir() or os.access(path, os.X_OK) else _READABLE_BY_ALL)
