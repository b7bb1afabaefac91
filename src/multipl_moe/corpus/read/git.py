"""Files of a git repository: those of its work tree, or of one revision, read without a work tree."""

import contextlib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from multipl_moe.errors import CorpusError

_REGULAR_FILES = ("100644", "100755", "100664")
_READ_WHOLE_BYTES = 1 << 20


class GitRepository:
    """A repository with a work tree, a folder inside one, or a bare repository; paths are relative to `root`.

    `top` is the repository's own folder, and `folder` leads from there to `root`: "" or "src/".

    CorpusError where git is missing, or cannot read it, or where it is the folder .git of a work tree.
    """

    def __init__(self, root: Path):
        self.root = root
        self.is_bare = self._run("rev-parse", "--is-bare-repository").strip() == b"true"
        if not self.is_bare and self._run("rev-parse", "--is-inside-git-dir").strip() == b"true":
            raise CorpusError(f"corpus.sources: {root}: this is inside the folder .git; name the one above it")
        self.folder = "" if self.is_bare else os.fsdecode(self._run("rev-parse", "--show-prefix").removesuffix(b"\n"))
        self.top = root.joinpath(*[".."] * self.folder.count("/"))

    def tracked_files(self) -> list[str]:
        """Paths that git tracks; links and what is behind them are left out: they may lead out of the work tree."""
        listing = self._run("ls-files", "-z")
        paths = dict.fromkeys(os.fsdecode(path) for path in listing.split(b"\0") if path)
        real = Path(os.path.realpath(self.root))
        reached = ((path, real / path) for path in paths)
        return [path for path, file in reached if os.path.realpath(file) == str(file) and not file.is_dir()]

    def files_of(self, revision: str) -> Iterator[tuple[str, str, int]]:
        """Path from `top`, object id and bytes of each regular file of a revision; no links, no submodules."""
        commit = self._run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", of=revision
        )
        for entry in self._run("ls-tree", "-rlz", "--full-tree", commit.decode().strip()).split(b"\0"):
            if not entry:
                continue
            facts, _, path = entry.partition(b"\t")
            mode, _, object_id, size = facts.decode().split()
            if mode in _REGULAR_FILES:
                yield os.fsdecode(path), object_id, int(size) if size.isdecimal() else 0

    def _run(self, *arguments: str, of: str | None = None) -> bytes:
        # a work tree that was unpacked or copied may name a command there
        command = ["git", "-C", str(self.root), "-c", "core.fsmonitor=false", *arguments]
        try:
            return subprocess.run(command, capture_output=True, check=True, env=_environment()).stdout
        except FileNotFoundError:
            message = "kind git needs the git command; install it"
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode(errors="replace").strip().splitlines()
            message = f"git cannot list it ({reason[0] if reason else error})"
            if of is not None:
                message = f"no revision {of!r}; name a commit, tag or branch that the repository has"
        raise CorpusError(f"corpus.sources: {self.root}: {message}")


class BlobReader(contextlib.AbstractContextManager):
    """One `git cat-file --batch` that answers every request of a repository; started by the first of them.

    Contents of more than a megabyte are read from its pipe as they are asked for: of a file beyond the limits of a
    corpus no more is held than shows that it is. Git then answers nothing else, so the next request starts another one.
    """

    def __init__(self, root: Path):
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, object_id: str) -> IO[bytes]:
        """Content of a file; OSError where the repository lacks or cannot read it."""
        if self._process is None:
            # what is larger git does not hold in memory itself
            streams = f"core.bigFileThreshold={_READ_WHOLE_BYTES}"
            command = ["git", "-C", str(self._root), "-c", streams, "cat-file", "--batch"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=_environment()
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{object_id}\n".encode())
        stdin.flush()
        header = stdout.readline().split()
        if len(header) != 3:
            raise OSError(f"{self._root}: git has no object {object_id}")
        size = int(header[2])
        if size > _READ_WHOLE_BYTES:
            process, self._process = self._process, None
            return cast(IO[bytes], io.BufferedReader(_LargeBlob(process, size)))
        content = stdout.read(size)
        stdout.read(1)
        return io.BytesIO(content)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


class _LargeBlob(io.RawIOBase):
    """What a process that is of no further use writes next; it ends with this stream."""

    def __init__(self, process: subprocess.Popen[bytes], size: int):
        super().__init__()
        self._process, self._left = process, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self._process.stdout is not None
        content = self._process.stdout.read(min(len(buffer), self._left))
        if not content and self._left and len(buffer):
            raise OSError("git ended before the file did")
        buffer[: len(content)] = content
        self._left -= len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._process.kill()
            self._process.communicate()
        super().close()


def _environment() -> dict[str, str]:
    """Without GIT_DIR and the like, which in a hook would name another repository; nothing is fetched on demand."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {"GIT_NO_LAZY_FETCH": "1"}
