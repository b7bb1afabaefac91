"""Members of tar and zip archives, read in their order: nothing is unpacked to disk."""

import contextlib
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from multipl_moe.corpus.licences.licence_files import (
    MAX_LICENCE_BYTES,
    is_licence_name,
    licence_of_file,
    licence_of_files,
    nearest_licence,
)
from multipl_moe.corpus.read.candidates import (
    EXCLUDED_FOLDERS,
    READ_ERRORS,
    Candidate,
    ListedFile,
    decompressed,
    printable,
    source_name,
    unreadable,
)
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.corpus.read.row_files import open_decompressed
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.spdx import UNKNOWN

_ZIP_ENDINGS = (".zip", ".whl", ".jar")
_TAR_COMPRESSIONS = {
    ".tar": "", ".tar.gz": ".gz", ".tgz": ".gz", ".crate": ".gz", ".tar.bz2": ".bz2", ".tbz2": ".bz2",
    ".tar.xz": ".xz", ".txz": ".xz", ".tar.zst": ".zst", ".tzst": ".zst",
}  # fmt: skip
ARCHIVE_ENDINGS = (*_ZIP_ENDINGS, *_TAR_COMPRESSIONS)


def find_members(source: SourceSection, language: str, detector: LanguageDetector) -> Iterator[Candidate]:
    """The files in an archive, or in all archives below a folder, that may be of the language.

    Links, devices and members whose name leads outside are left out. Members of an archive are read twice where its
    licence files have to be found first, as they may come last. An archive that cannot be read on counts as one
    unreadable file. A candidate can be opened once, until the next is asked for.

    Raises:
        CorpusError: there is no archive.
    """
    assert source.path is not None
    for file in archives_of(source.path):
        name = source_name(file)
        licence_of = nearest_licence(_stated_licences(file) if source.licence is None else lambda _: source.licence)
        try:
            for path, size, opener in archive_members(file):
                needs_content = False if source.language else detector.needs_content(path, language)
                if needs_content is not None:
                    place = f"{name}/{printable(path)}"
                    yield Candidate(language, source.kind, place, licence_of(path), opener, size, needs_content)
        except READ_ERRORS:
            yield Candidate(language, source.kind, name, source.licence or UNKNOWN, unreadable)


def _stated_licences(file: Path) -> Callable[[str], str | None]:
    """By folder what the licence files of an archive say; of one that breaks off, those before."""
    stated: dict[str, dict[str, str | None]] = {}
    try:
        for path, _, opener in archive_members(file):
            folder, _, name = path.rpartition("/")
            if is_licence_name(name):
                stated.setdefault(folder, {})[name] = UNKNOWN
                with contextlib.suppress(*READ_ERRORS), opener() as stream:
                    stated[folder][name] = licence_of_file(name, stream.read(MAX_LICENCE_BYTES))
    except READ_ERRORS:
        pass  # whoever reads the members meets it again, and counts it
    return {folder: licence_of_files(dict(sorted(files.items()))) for folder, files in stated.items()}.get


def archives_of(path: Path) -> list[Path]:
    """The archive, or all archives below the folder; raises CorpusError where there is none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    archives = [file for file in files if file.name.lower().endswith(ARCHIVE_ENDINGS) and file.is_file()]
    if not archives:
        raise CorpusError(f"corpus.sources: {path}: no archive ({', '.join(ARCHIVE_ENDINGS)})")
    return archives


def archive_members(file: Path) -> Iterator[ListedFile]:
    """The files in an archive that stay inside of it, in order; raises READ_ERRORS."""
    members = _zip_members(file) if file.name.lower().endswith(_ZIP_ENDINGS) else _tar_members(file)
    for path, size, opener in members:
        parts = PurePosixPath(path).parts
        if parts and parts[0] != "/" and ".." not in parts and EXCLUDED_FOLDERS.isdisjoint(parts):
            yield decompressed("/".join(parts), size, opener)


def _zip_members(file: Path) -> Iterator[ListedFile]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if not member.is_dir() and kind in (0, stat.S_IFREG):  # 0: made on a system that has no such modes
                yield member.filename, member.file_size, partial(archive.open, member)


def _tar_members(file: Path) -> Iterator[ListedFile]:
    name = file.name.lower()
    compression = next(kind for ending, kind in reversed(_TAR_COMPRESSIONS.items()) if name.endswith(ending))
    with (
        open_decompressed(file, compression) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictTarInfo) as archive,
    ):
        for member in archive:
            if member.isfile():
                yield member.name, member.size, cast(Any, partial(archive.extractfile, member))


class _StrictTarInfo(tarfile.TarInfo):
    """Takes a broken header for an error where tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # pyright: ignore
            raise tarfile.ReadError(str(error)) from None
