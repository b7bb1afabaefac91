"""Host paths bound for another user who may not enter the folders above them, such as the home of root."""

import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

_OTHERS_ENTER = 0o001


class BindMounts:
    """Paths as the sandbox's user can reach them; a context manager, to be left when the sandbox has started.

    A path below a folder that not everybody may enter is mounted a second time, in a mount namespace of its own that
    nobody else sees and that ends with the command. Only root can do that, and only root needs it: everyone else runs
    the sandbox as himself.

    Args:
        other_user: whether the sandbox's user is another than this process's.
    """

    def __init__(self, other_user: bool):
        self._other_user = other_user
        self._mounts: list[tuple[Path, Path]] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "BindMounts":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._folder:
            self._folder.cleanup()

    def reach(self, path: Path) -> str:
        """The path by which the sandbox's user reaches `path`."""
        if not self._other_user or all_may_enter(path):
            return str(path)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="multipl-moe-mounts-", ignore_cleanup_errors=True)
            Path(self._folder.name).chmod(0o711)
        mount_point = Path(self._folder.name, str(len(self._mounts)))
        if path.is_dir():
            mount_point.mkdir()
        else:
            mount_point.touch()
        self._mounts.append((path, mount_point))
        return str(mount_point)

    def arguments(self) -> list[str]:
        """The words that, before a command, run it where the bound paths are mounted."""
        if not self._mounts:
            return []
        steps = [
            f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(mount_point))}"
            for path, mount_point in self._mounts
        ]
        script = " && ".join([*steps, 'exec "$@"'])
        return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]


def all_may_enter(path: Path) -> bool:
    """Whether every user may enter all folders above a path, as far as they are there."""
    for parent in Path(os.path.realpath(path)).parents:
        with suppress(OSError):
            if not parent.stat().st_mode & _OTHERS_ENTER:
                return False
    return True
