"""Files that a corpus may draw from: those of folders, git work trees and installed toolchains."""

import glob
import gzip
import os
import subprocess
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import IO, BinaryIO, cast

from multipl_moe.corpus.licence_texts import folder_licence
from multipl_moe.errors import CorpusError
from multipl_moe.languages import LANGUAGES
from multipl_moe.recipe import SourceSection

EXCLUDED_FOLDERS = frozenset({".git", "__pycache__", "site-packages", "dist-packages"})
_LANGUAGE_OF_EXTENSION = {extension: name for name, entry in LANGUAGES.items() for extension in entry.extensions}


@dataclass(frozen=True)
class Candidate:
    """A file that may be drawn; nothing of it has been read yet, unless it is a row of a table.

    Attributes:
        language: name in `LANGUAGES`.
        kind: kind of the source, as in the recipe.
        path: name of the source and the path inside it: unique in a corpus, the same wherever the source lies.
        licence: SPDX licence if the file does not name its own.
        open: opens the content, decompressed.
    """

    language: str
    kind: str
    path: str
    licence: str
    open: Callable[[], IO[bytes]]


def language_of(name: str) -> str | None:
    """Language of a file by its name, without a closing `.gz`; a README without extension is English."""
    path = PurePath(name.removesuffix(".gz"))
    return "english" if path.name == "README" else _LANGUAGE_OF_EXTENSION.get(path.suffix.lower())


def source_name(root: Path) -> str:
    """The last two parts of a source's path: tells sources apart without giving away where they lie."""
    return "/".join(root.resolve().parts[-2:]).lstrip("/")


def find_files(source: SourceSection, languages: Iterable[str], archives: ExitStack) -> Iterator[Candidate]:
    """All files of a source of kind folder, git or toolchains whose language is asked for.

    Args:
        source: where to look.
        languages: names in `LANGUAGES`.
        archives: keeps zip archives open for the candidates that lie in them.

    Raises:
        CorpusError: the folder does not exist, or git cannot list it.
    """
    if source.kind == "toolchains":
        for language in languages:
            if source.language in (None, language):
                yield from _find_toolchain(source, language, archives)
        return
    assert source.path is not None
    if not source.path.is_dir():
        raise CorpusError(f"corpus.sources: {source.path}: no such folder")
    licence = source.licence or folder_licence(source.path) or "unknown"
    paths = _git_files(source.path) if source.kind == "git" else _walk(source.path)
    for path in paths:
        language = source.language or language_of(path)
        if language is not None and language in languages:
            opener = partial(_open_file, source.path / path)
            yield _candidate(source, language, source.path, path, licence, opener)


def _find_toolchain(source: SourceSection, language: str, archives: ExitStack) -> Iterator[Candidate]:
    licence = source.licence or LANGUAGES[language].library_licence
    for root in _library_roots(language):
        if root.is_dir():
            openers = ((path, partial(_open_file, root / path)) for path in _walk(root))
        else:
            archive = archives.enter_context(zipfile.ZipFile(root))
            openers = ((path, partial(archive.open, path)) for path in sorted(archive.namelist()))
        for path, opener in openers:
            if language_of(path) == language:
                yield _candidate(source, language, root, path, licence, opener)


def has_library(language: str) -> bool:
    """Whether this machine has a toolchain of the language with sources to read."""
    return bool(_library_roots(language))


def _library_roots(language: str) -> list[Path]:
    """Existing folders and archives of a toolchain; a folder reached through several links counts once."""
    roots: dict[Path, None] = {}
    for pattern in LANGUAGES[language].library:
        expanded = os.path.expanduser(pattern.format(lib=sysconfig.get_path("stdlib")))  # noqa: PTH111
        matches = [Path(match).resolve() for match in sorted(glob.glob(expanded))]  # noqa: PTH207
        if pattern.endswith(".zip"):
            matches = [path for path in matches if path.is_file() and zipfile.is_zipfile(path)][:1]
        roots |= dict.fromkeys(path for path in matches if path.exists())
    return list(roots)


def _walk(root: Path) -> Iterator[str]:
    """Paths of the files below a folder, relative to it; links to folders are not followed."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - EXCLUDED_FOLDERS)
        for name in sorted(names):
            yield os.path.relpath(Path(folder, name), root)


def _git_files(root: Path) -> list[str]:
    """Paths that git tracks, relative to the folder; links are left out, as they may lead out of the work tree."""
    # A hook's GIT_DIR or GIT_INDEX_FILE would make git list another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    except FileNotFoundError:
        raise CorpusError(f"corpus.sources: {root}: kind git needs the git command; install it") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()
        raise CorpusError(f"corpus.sources: {root}: git cannot list it ({reason[0] if reason else error})") from None
    paths = [os.fsdecode(path) for path in listing.split(b"\0") if path]
    return [path for path in paths if not (root / path).is_symlink() and not (root / path).is_dir()]


def _candidate(
    source: SourceSection, language: str, root: Path, path: str, licence: str, opener: Callable[[], IO[bytes]]
) -> Candidate:
    printable = os.fsencode(path).decode("utf-8", "replace")
    return Candidate(language, source.kind, f"{source_name(root)}/{printable}", licence, opener)


def _open_file(path: Path) -> BinaryIO:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no regular file")
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
