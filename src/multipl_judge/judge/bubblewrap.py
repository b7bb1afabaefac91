"""The command line of bubblewrap for what a sandbox runs, and the bind mounts of what its user could not reach."""

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from multipl_judge.languages.toolchain import Limits

INSIDE = "/program"
SCRATCH = "/scratch"

_OTHERS_ENTER = 0o001
_SYSTEM_OR_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM = (
    "/usr",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/ssl",
)
_JAVA_SETTINGS = "java-*"
FOLDERS_IN_MEMORY = (SCRATCH, "/tmp", "/dev/shm")
# Mapped as shared memory, /dev/zero is memory that nobody counts. /dev/full reads as zeros too, and cannot be mapped.
_DEVICES = ("--dev", "/dev", "--dev-bind", "/dev/full", "/dev/zero")
_ISOLATION = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"),
    *("--hostname", "sandbox", "--new-session", "--die-with-parent", "--as-pid-1"),
)


@dataclass(frozen=True)
class Asked:
    """What a sandbox is asked to run; see `Sandbox.run`."""

    command: Sequence[str]
    limits: Limits
    folder: Path | None
    writable: bool = False
    stdin: bytes = b""
    read_only_binds: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    overlay: Path | None = None
    forks: bool = True

    @property
    def written(self) -> Path | None:
        """The folder, if it may write there."""
        return self.folder if self.writable else None


class BindMounts(ExitStack):
    """Paths as the sandbox's user can reach them; a context manager, to be left when the sandbox has ended.

    A path below a folder that not everybody may enter, such as the home of root, is mounted a second time, in a mount
    namespace of its own that nobody else sees and that ends with the command. Only root can do that, and only root
    needs it: everyone else runs the sandbox as himself.

    Args:
        other_user: whether the sandbox's user is another than this process's.
    """

    def __init__(self, other_user: bool):
        super().__init__()
        self._other_user = other_user
        self._mounts: list[tuple[Path, Path]] = []
        self._folder: Path | None = None

    def reach(self, path: Path) -> str:
        """The path by which the sandbox's user reaches `path`."""
        if not self._other_user or all_may_enter(path):
            return str(path)
        if self._folder is None:
            made = tempfile.TemporaryDirectory(prefix="multipl-moe-mounts-", ignore_cleanup_errors=True)
            self._folder = Path(self.enter_context(made))
            self._folder.chmod(0o711)
        mount_point = self._folder / str(len(self._mounts))
        if path.is_dir():
            mount_point.mkdir()
        else:
            mount_point.touch()
        self._mounts.append((path, mount_point))
        return str(mount_point)

    def arguments(self) -> list[str]:
        """The words that, before a command, run it where the paths are mounted."""
        if not self._mounts:
            return []
        steps = [f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(point))}" for path, point in self._mounts]
        script = " && ".join([*steps, 'exec "$@"'])
        return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]


def all_may_enter(path: Path) -> bool:
    """Whether every user may enter all folders above a path, as far as they are there."""
    for parent in Path(os.path.realpath(path)).parents:
        with suppress(OSError):
            if not parent.stat().st_mode & _OTHERS_ENTER:
                return False
    return True


def bubblewrap_arguments(
    asked: Asked, mounts: BindMounts, shown: Sequence[str], *, status: int, seccomp: Sequence[int]
) -> list[str]:
    """bubblewrap and all its arguments; the command goes after them.

    Args:
        mounts: where its paths are reached.
        shown: arguments that show more than it is asked for.
        status: descriptor on which bubblewrap reports, in JSON, how the command ended.
        seccomp: descriptors from which it reads a filter of system calls each.
    """
    size = ("--size", str(asked.limits.scratch_bytes), "--tmpfs")
    binds = [word for path in asked.read_only_binds for word in ("--ro-bind", mounts.reach(path), str(path))]
    if asked.overlay:
        binds += ["--overlay-src", mounts.reach(asked.overlay), "--tmp-overlay", str(asked.overlay)]
    if asked.folder:
        binds += ["--bind" if asked.writable else "--ro-bind", mounts.reach(asked.folder), INSIDE]
    return [
        *("bwrap", *_ISOLATION, "--json-status-fd", str(status)),
        *(word for file in seccomp for word in ("--add-seccomp-fd", str(file))),
        *_system(),
        *("--proc", "/proc", *_DEVICES),
        *(word for folder in FOLDERS_IN_MEMORY for word in (*size, folder)),
        *binds,
        *shown,
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", SCRATCH, "--"),
    ]


def _system() -> list[str]:
    arguments: list[str] = []
    for name in _SYSTEM_OR_LINKS:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    for name in (*_SYSTEM, *map(str, sorted(Path("/etc").glob(_JAVA_SETTINGS)))):
        arguments += ["--ro-bind-try", name, name]
    return arguments
