"""Files that a corpus may draw from in any order: those of folders, git repositories and installed toolchains."""

import glob
import gzip
import hashlib
import lzma
import os
import struct
import sysconfig
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

import pyarrow

from multipl_judge.languages.table import Language
from multipl_moe.corpus.licences.licence_files import nearest_among, nearest_on_disk
from multipl_moe.corpus.read.git import BlobReader, GitRepository
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.spdx import UNKNOWN

EXCLUDED_FOLDERS = frozenset({".git", "__pycache__", "site-packages", "dist-packages"})
READ_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    pyarrow.ArrowException,
    RuntimeError,  # a member of a zip archive that is encrypted, or compressed as Python cannot read
    UnicodeDecodeError,  # the name of such a member, or a text in a Parquet file, that is no UTF-8
    IndexError,  # the name of such a member that is empty
    struct.error,
)
# Of Debian's packages: lists of their files, and what none of them has for itself.
_LISTS = Path("/var/lib/dpkg/info")
_DOCUMENTS = "/usr/share/doc/"
_TOO_WIDE = ("/", "/usr", "/usr/lib", "/usr/share", f"/usr/lib/{os.uname().machine}-linux-gnu")
_FEWEST_FILES, _MOST_FOLDERS = 20, 3


ListedFile = tuple[str, int | None, Callable[[], IO[bytes]]]
"""Path of a file in its source, its bytes if they are known, and what opens it, decompressed."""


@dataclass(frozen=True)
class Candidate:
    """A file that may be drawn; its content is opened when it is needed.

    Attributes:
        language: name in the table of languages.
        kind: kind of the source, as in the recipe.
        path: name of the source and the path inside it: unique in a corpus, the same wherever the source lies.
        licence: SPDX licence if the file does not name its own.
        open: opens the content, decompressed.
        size: bytes of the content where they are known before it is opened.
        needs_content: whether its name leaves open if it is of the language.
        is_of_any: whether it stands for a file of rows, or a folder, that cannot be read: what is in it may be of any
            language, so each language's search finds it, but it counts only with the first of the corpus.
        held_out: whether its whole source is held out.
    """

    language: str
    kind: str
    path: str
    licence: str
    open: Callable[[], IO[bytes]]
    size: int | None = None
    needs_content: bool = False
    is_of_any: bool = False
    held_out: bool = False


def draw_order(seed: int, path: str) -> int:
    """Place of a file among all of its language in the draw: lower comes first; the seed and the path decide alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{path}".encode()).digest())


def source_name(root: Path) -> str:
    """The last two parts of a source's path: tells sources apart without giving away where they lie."""
    return two_parts(root.resolve().parts[1:])


def two_parts(parts: Sequence[str]) -> str:
    """A source's name of the last two parts, `_` for those that it lacks.

    What takes a document's path apart relies on the number of parts that its source has in it.
    """
    return printable("/".join(("_", "_", *parts)[-2:]))


def printable(path: str) -> str:
    """A path as UTF-8 can spell it."""
    return os.fsencode(path).decode("utf-8", "replace")


def unreadable() -> IO[bytes]:
    """Opens nothing: for what is known to hold no text that can be read."""
    raise OSError("no text that can be read")


def decompressed(path: str, size: int | None, opener: Callable[[], IO[bytes]]) -> ListedFile:
    """A file by its path, the bytes stored of it and what opens these, compressed if its name says so."""
    if not path.endswith(".gz"):
        return path, size, opener
    return path, None, lambda: cast(BinaryIO, gzip.GzipFile(fileobj=opener()))


def find_files(
    source: SourceSection, language: str, detector: LanguageDetector, open_until: ExitStack
) -> Iterator[Candidate]:
    """All files of a source of kind folder, git or toolchains that may be of a language.

    A source with a language of its own is asked for that one alone. What must stay open for the candidates'
    contents goes into `open_until`.

    Raises:
        CorpusError: the folder does not exist, or git cannot list it.
    """
    if source.kind == "toolchains":
        yield from _find_toolchain(source, language, detector, open_until)
        return
    assert source.path is not None
    if not source.path.is_dir():
        raise CorpusError(f"corpus.sources: {source.path}: no such folder")
    listing, nearest = _listing(source, source.path, open_until)
    name = source_name(source.path)
    for path, size, opener in listing:
        place = f"{name}/{printable(path)}"
        if opener is unreadable:
            yield Candidate(language, source.kind, place, UNKNOWN, opener, is_of_any=source.language is None)
            continue
        needs_content = False if source.language else detector.needs_content(path, language)
        if needs_content is not None:
            licence = source.licence or nearest(path)
            yield Candidate(language, source.kind, place, licence, opener, size, needs_content)


def _listing(
    source: SourceSection, root: Path, open_until: ExitStack
) -> tuple[Iterable[ListedFile], Callable[[str], str]]:
    """The files, and what the licence files of the same revision say."""
    if source.kind == "folder":
        return _walk(root), nearest_on_disk(root)
    repository = GitRepository(root)
    if source.revision is None and not repository.is_bare:
        files = ((path, None, partial(_open_file, root / path)) for path in repository.tracked_files())
        licence_of = nearest_on_disk(repository.top)
        return files, lambda path: licence_of(repository.folder + path)
    blobs = open_until.enter_context(BlobReader(root))
    committed = {
        path: decompressed(path, size, partial(blobs.open, object_id))
        for path, object_id, size in repository.files_of(source.revision or "HEAD")
    }
    licence_of = nearest_among(committed, lambda path: committed[path][2]())
    inside = (one for path, one in committed.items() if path.startswith(repository.folder))
    files = ((path.removeprefix(repository.folder), size, opener) for path, size, opener in inside)
    return files, lambda path: licence_of(repository.folder + path)


def _find_toolchain(
    source: SourceSection, language: str, detector: LanguageDetector, open_until: ExitStack
) -> Iterator[Candidate]:
    entry = detector.table[language]
    licence = source.licence or entry.library_licence
    for root in _library_roots(entry):
        if root.is_dir():
            files = _walk(root)
        else:
            archive = open_until.enter_context(zipfile.ZipFile(root))
            files = ((path, None, partial(archive.open, path)) for path in sorted(archive.namelist()))
        for path, _, opener in files:
            if opener is unreadable or detector.by_name(path) == language:
                yield Candidate(language, source.kind, f"{source_name(root)}/{printable(path)}", licence, opener)


def has_files(root: Path) -> bool:
    """Whether there is any file below a folder."""
    return any(True for _ in _walk(root))


def has_library(entry: Language) -> bool:
    """Whether this machine has a toolchain of the language with sources to read."""
    return bool(_library_roots(entry))


def installed_folders(endings: Sequence[str], lists: Path = _LISTS) -> list[str]:
    """Folders of the Debian packages with the most files of these endings, at most three, none inside of another.

    There are none where no package has twenty, or `lists`, dpkg's lists of files, are not there.
    """
    found: Counter[str] = Counter()
    for file in sorted(lists.glob("*.list")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        paths = [line for line in lines if line.lower().endswith(tuple(endings)) and not line.startswith(_DOCUMENTS)]
        if len(paths) >= _FEWEST_FILES and (folder := os.path.commonpath(paths)) not in _TOO_WIDE:
            found[folder] += len(paths)
    outer = [folder for folder in found if not any(folder.startswith(f"{other}/") for other in found)]
    return sorted(outer, key=lambda folder: (-found[folder], folder))[:_MOST_FOLDERS]


def _library_roots(entry: Language) -> list[Path]:
    """Existing folders and archives of a toolchain; a folder reached through several links counts once."""
    roots: dict[Path, None] = {}
    for pattern in entry.library:
        expanded = os.path.expanduser(pattern.replace("{lib}", sysconfig.get_path("stdlib")))  # noqa: PTH111
        matches = [Path(match).resolve() for match in sorted(glob.glob(expanded))]  # noqa: PTH207
        if pattern.endswith(".zip"):
            matches = [path for path in matches if path.is_file() and zipfile.is_zipfile(path)][:1]
        roots |= dict.fromkeys(path for path in matches if path.exists())
    return list(roots)


def _walk(root: Path) -> Iterator[ListedFile]:
    """The files below a folder; links to folders are not followed.

    A folder that cannot be listed comes as if it were a file, opened by `unreadable`.
    """
    errors: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=errors.append):
        subfolders[:] = sorted(set(subfolders) - EXCLUDED_FOLDERS)
        for name in sorted(names):
            yield os.path.relpath(Path(folder, name), root), None, partial(_open_file, Path(folder, name))
    for error in errors:
        yield os.path.relpath(error.filename, root), None, unreadable


def _open_file(path: Path) -> BinaryIO:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no regular file")
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
