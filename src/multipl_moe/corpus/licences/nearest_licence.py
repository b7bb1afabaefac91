"""The licence of each file of a tree, by the licence files nearest to it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from multipl_moe.corpus.licences.licence_texts import is_licence_name, repository_licence
from multipl_moe.spdx import UNKNOWN


class NearestLicence:
    """Looks up the licence of files: what their folder's licence files say, else those of the next folder above.

    Args:
        licence_in: the licence that the files in a folder state, or None; "" is the root. Asked once for each folder.
    """

    def __init__(self, licence_in: Callable[[str], str | None]):
        self._licence_in = licence_in
        self._known: dict[str, str] = {}

    def of(self, path: str) -> str:
        """SPDX expression for a file by its path from the root, with slashes; "unknown" where none is stated."""
        folder, passed, licence = path, [], None
        while licence is None and folder:
            folder = folder.rpartition("/")[0]
            if (licence := self._known.get(folder)) is None:
                passed.append(folder)
                licence = self._licence_in(folder)
        self._known.update(dict.fromkeys(passed, licence or UNKNOWN))
        return licence or UNKNOWN


def nearest_on_disk(root: Path) -> NearestLicence:
    """For files of a folder or work tree."""
    return NearestLicence(lambda folder: _licence_on_disk(root / folder))


def nearest_among(paths: Iterable[str], open_file: Callable[[str], IO[bytes]]) -> NearestLicence:
    """For files that are listed beforehand.

    Args:
        paths: of all files.
        open_file: opens one of them.
    """
    names: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if is_licence_name(name):
            names.setdefault(folder, []).append(name)

    def licence_in(folder: str) -> str | None:
        prefix = f"{folder}/" if folder else ""
        return repository_licence(names.get(folder, ()), lambda name: open_file(prefix + name))

    return NearestLicence(licence_in)


def _licence_on_disk(folder: Path) -> str | None:
    try:
        names = [path.name for path in folder.iterdir() if is_licence_name(path.name) and path.is_file()]
    except FileNotFoundError:  # git tracks files in it that the work tree lacks
        return None
    return repository_licence(names, lambda name: (folder / name).open("rb"))
