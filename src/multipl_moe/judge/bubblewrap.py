"""The command line of bubblewrap for the sandbox."""

from collections.abc import Sequence
from pathlib import Path

from multipl_moe.judge.bind_mounts import BindMounts

INSIDE = "/program"
SCRATCH = "/scratch"

_SYSTEM = ("/usr",)
_SYSTEM_OR_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/ssl",
)
_SETTINGS_PATTERN = "java-*"
_ISOLATION = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"),
    *("--hostname", "sandbox", "--new-session", "--die-with-parent", "--as-pid-1"),
)


def bind_arguments(
    mounts: BindMounts, *, folder: Path | None, writable: bool, read_only: Sequence[Path], overlay: Path | None
) -> list[str]:
    """Arguments that bind what a run asks for; see `Sandbox.run`."""
    arguments: list[str] = []
    for path in read_only:
        arguments += ["--ro-bind", mounts.reach(path), str(path)]
    if overlay:
        arguments += ["--overlay-src", mounts.reach(overlay), "--tmp-overlay", str(overlay)]
    if folder:
        arguments += ["--bind" if writable else "--ro-bind", mounts.reach(folder), INSIDE]
    return arguments


def bubblewrap_arguments(binds: Sequence[str], *, scratch_bytes: int, status: int) -> list[str]:
    """bubblewrap and all its arguments; the command goes after them.

    Args:
        binds: from `bind_arguments`.
        scratch_bytes: size of each writable folder in memory.
        status: descriptor on which bubblewrap reports, in JSON, how the command ended.
    """
    size = ("--size", str(scratch_bytes), "--tmpfs")
    return [
        *("bwrap", *_ISOLATION, "--json-status-fd", str(status)),
        *_system(),
        *("--proc", "/proc", "--dev", "/dev"),
        *(*size, SCRATCH, *size, "/tmp", *size, "/dev/shm"),
        *binds,
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
    settings = [*_SYSTEM, *_SETTINGS, *map(str, sorted(Path("/etc").glob(_SETTINGS_PATTERN)))]
    for name in settings:
        arguments += ["--ro-bind-try", name, name]
    return arguments
