"""Contents that wait on disk for as long as a task may need them."""

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_LEAST_WASTE = 64 << 20


@dataclass(eq=False, slots=True)
class Piece:
    """Where a content lies in a scratch file."""

    offset: int
    size: int


class ScratchFile:
    """A file of contents without a name, which goes with this object, however the process ends.

    What is removed leaves a gap. Gaps are closed when they take more than the contents do, and more than 64 MiB: the
    file is never larger than twice the contents and that, and no more is copied in all than was put in.

    Args:
        folder: where the file lies, made if it is missing; None: the system's for temporary files.
    """

    def __init__(self, folder: Path | None):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._pieces: dict[Piece, None] = {}  # by offset
        self._held_bytes = self._end = 0

    def add(self, content: bytes) -> Piece:
        """Write a content at the end."""
        self._file.write(content)
        piece = Piece(self._end, len(content))
        self._pieces[piece] = None
        self._held_bytes += piece.size
        self._end += piece.size
        return piece

    def remove(self, piece: Piece) -> None:
        """Let go of a content, which can be read no more."""
        del self._pieces[piece]
        self._held_bytes -= piece.size
        if self._end - self._held_bytes > max(self._held_bytes, _LEAST_WASTE):
            self._close_gaps()

    def open(self, piece: Piece) -> io.BytesIO:
        """A content, read into memory."""
        return io.BytesIO(self._read(piece))

    def _read(self, piece: Piece) -> bytes:
        self._file.flush()
        return os.pread(self._file.fileno(), piece.size, piece.offset)

    def _close_gaps(self) -> None:
        """Move each content to the end of the one before, in order: none is written over before it was read."""
        self._end = 0
        for piece in self._pieces:
            content = self._read(piece)
            self._file.seek(self._end)
            self._file.write(content)
            piece.offset = self._end
            self._end += piece.size
        self._file.truncate(self._end)
        self._file.seek(self._end)
