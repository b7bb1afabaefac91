"""Writing outputs whole or not at all: a staging folder beside the target, renamed into place at the end.

Of several processes that would write one output, one does: it holds a lock in the folder that is written to.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from multipl_judge.file_lock import file_lock
from multipl_moe.errors import DiskError, HeldError, OutputError, TasksUnfinishedError, UserError
from multipl_moe.system.disk_errors import disk_errors_explained, write_errors_explained

_LOCK = ".lock"


def refuse_existing(output: Path) -> None:
    """Raise OutputError when `output` exists, be it as a link to nothing: nothing is overwritten unasked."""
    _refuse_link_to_nothing(output)
    if output.exists():
        raise OutputError(f"output: {output} exists; choose another folder or remove it")


def _refuse_link_to_nothing(output: Path) -> None:
    if output.is_symlink() and not output.exists():
        raise OutputError(
            f"output: {output} is a link to {output.readlink()}, which is not there; remove it or choose another folder"
        )


def require_space(folder: Path, num_bytes: int) -> None:
    """Raise OutputError when the disk under `folder` has no room for `num_bytes`."""
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        raise OutputError(
            f"output: {folder} needs {-(-num_bytes // 10**6):,} MB but its disk has {free // 10**6:,} MB free; "
            "free some space or choose another disk"
        )


@contextmanager
def held_folder(folder: Path, output: Path | None = None) -> Iterator[None]:
    """Hold a folder for this process alone; it is made where it is missing, and removed again where it stays empty.

    The operating system lifts the lock when the process ends, however it ends.

    Args:
        folder: to write into.
        output: what messages name instead.

    Raises:
        HeldError: another process holds it.
        OutputError: it cannot be created or written.
    """
    output = output or folder
    _refuse_link_to_nothing(output)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    create_folder(folder, output)
    try:
        with _held(folder / _LOCK, output):
            yield
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def held_file(file: Path) -> Iterator[None]:
    """Hold the name of a file that is to be written, in a folder that exists, for this process alone.

    Raises:
        HeldError: another process makes it.
        OutputError: the file exists, or its folder cannot be written.
    """
    with _held(file.with_name(f".{file.name}{_LOCK}"), file):
        refuse_existing(file)
        yield


@contextmanager
def staged_file(file: Path) -> Iterator[Path]:
    """A file to write that becomes `file` if the block succeeds and vanishes if it fails; raises as `held_file`."""
    with held_file(file):
        partial = file.with_name(f".{file.name}.partial")
        try:
            yield partial
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def is_unused(folder: Path, but: Collection[str] = ()) -> bool:
    """Whether a path holds nothing yet but, maybe, the lock of who is about to write there, and these names."""
    return not folder.exists() or (folder.is_dir() and all(path.name in (_LOCK, *but) for path in folder.iterdir()))


@contextmanager
def staged_folder(output: Path) -> Iterator[Path]:
    """A folder to write into that becomes `output` if the block succeeds and vanishes if it fails or is interrupted.

    Raises:
        OutputError: `output` exists already, cannot be created or written, or is being made by another process.
    """
    with _staged(output) as staging:
        empty_folder(staging)
        try:
            yield staging
            _put(staging, output)
        except BaseException:
            with suppress(OSError):
                empty_folder(staging)
            raise


@contextmanager
def resumable_folder(output: Path, can_go_on: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder to write into that becomes `output` if the block succeeds and stays, to go on with, if it is stopped.

    Only a `UserError` removes it: what bad input made is of no use. A full disk is none.

    Args:
        can_go_on: tells of the folder that an earlier start left whether this one can go on in it; else it is emptied.

    Raises:
        OutputError: as of `staged_folder`.
    """
    with _staged(output) as staging:
        if not can_go_on(staging):
            empty_folder(staging)
        try:
            with disk_errors_explained(output, "free some space; the same command goes on where it stopped"):
                yield staging
        except UserError as error:
            if not isinstance(error, TasksUnfinishedError | DiskError):
                empty_folder(staging)
            raise
        _put(staging, output)


@contextmanager
def _staged(output: Path) -> Iterator[Path]:
    refuse_existing(output)
    staging = output.with_name(f".{output.name}.partial")
    try:
        with held_folder(staging, output), disk_errors_explained(output):
            refuse_existing(output)  # another process may have made it until now
            yield staging
    finally:
        with suppress(OSError):  # an earlier start may have left it
            staging.rmdir()


def _put(staging: Path, output: Path) -> None:
    """Rename; the lock goes along and is removed last, so that at no time another process can take it."""
    _let_others_read(staging)
    try:
        staging.rename(output)
    except OSError:
        refuse_existing(output)  # somebody made it by hand
        raise
    (output / _LOCK).unlink(missing_ok=True)  # without locks another process may have removed it


@contextmanager
def _held(lock: Path, output: Path) -> Iterator[None]:
    with ExitStack() as stack:
        with write_errors_explained(output):
            try:
                stack.enter_context(file_lock(lock, wait=False, remove=True))
            except (BlockingIOError, FileNotFoundError):  # the latter where the other's end came in between
                raise HeldError(f"output: {output} is being made by another process; wait for it or stop it") from None
        yield


def create_folder(folder: Path, output: Path) -> None:
    """Create a folder, where there is none; raises OutputError, which names `output`, where that cannot be."""
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            if folder.exists():
                raise
            folder.mkdir(parents=True, exist_ok=True)  # another process removed it in between
    except OSError as error:
        raise OutputError(f"output: {output} cannot be created ({error.strerror}); choose another folder") from error


def _let_others_read(folder: Path) -> None:
    """Files as the umask has them, where the disk lets: safetensors keeps those that it writes to their owner.

    A file with another name elsewhere is not ours: a base's, which `compose` links to, keeps its mode.
    """
    umask = os.umask(0o022)
    os.umask(umask)
    for path in folder.rglob("*"):
        with suppress(OSError):  # what was made is whole all the same
            if path.is_file() and not path.is_symlink():
                found = path.stat()
                mode = found.st_mode
                if found.st_nlink == 1 and (wanted := mode | (0o044 & ~umask)) != mode:
                    path.chmod(wanted)


def empty_folder(folder: Path) -> None:
    """Remove all but the lock, which must not be lost in between."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
