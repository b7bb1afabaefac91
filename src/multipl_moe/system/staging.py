"""Writing outputs whole or not at all: a staging folder beside the target, renamed into place at the end."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from multipl_moe.errors import OutputError, TasksUnfinishedError, UserError
from multipl_moe.system.file_lock import file_lock

_LOCK = "lock"


def refuse_existing(output: Path) -> None:
    """Raise OutputError when `output` exists: nothing is overwritten unasked."""
    if output.exists():
        raise OutputError(f"output: {output} exists; choose another folder or remove it")


def require_space(folder: Path, num_bytes: int) -> None:
    """Raise OutputError when the disk under `folder` has no room for `num_bytes`."""
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        raise OutputError(
            f"output: {folder} needs {num_bytes / 1e9:.2f} GB but its disk has {free / 1e9:.2f} GB free; "
            "free some space or choose another disk"
        )


@contextmanager
def staged_folder(output: Path) -> Iterator[Path]:
    """A folder to write into that becomes `output` if the block succeeds and vanishes if it fails or is interrupted.

    Raises:
        OutputError: `output` exists already or cannot be created.
    """
    refuse_existing(output)
    staging = _staging_of(output)
    shutil.rmtree(staging, ignore_errors=True)
    create_folder(staging, output)
    try:
        yield staging
        staging.rename(output)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def resumable_folder(output: Path, can_go_on: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder to write into that becomes `output` if the block succeeds and stays, to go on with, if it is stopped.

    Only a `UserError` removes it: what bad input made is of no use. Its place is held by a lock that the operating
    system lifts when the process ends, however it ends.

    Args:
        output: where the folder shall be in the end.
        can_go_on: tells of the folder that an earlier start left whether this one can go on in it; else it is emptied.

    Raises:
        OutputError: `output` exists already, cannot be created, or is being made by another process.
    """
    refuse_existing(output)
    staging = _staging_of(output)
    create_folder(staging, output)
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(staging / _LOCK, wait=False))
        except OSError:
            raise OutputError(f"output: {output} is being made by another process; wait for it or stop it") from None
        if not can_go_on(staging):
            _empty(staging)
        try:
            yield staging
            (staging / _LOCK).unlink()
            staging.rename(output)
        except UserError as error:
            if not isinstance(error, TasksUnfinishedError):
                shutil.rmtree(staging, ignore_errors=True)
            raise


def _staging_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


def create_folder(folder: Path, output: Path) -> None:
    """Create a folder, where there is none; raises OutputError, which names `output`, where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output: {output} cannot be created ({error.strerror}); choose another folder") from error


def _empty(staging: Path) -> None:
    """Remove all but the lock, which must not be lost in between."""
    for path in staging.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
