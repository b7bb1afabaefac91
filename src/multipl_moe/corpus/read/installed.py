"""Folders in which installed Debian packages hold files of a language."""

import os
from collections.abc import Sequence
from pathlib import Path

_LISTS = Path("/var/lib/dpkg/info")
_DOCUMENTS = "/usr/share/doc/"
_TOO_WIDE = ("/", "/usr", "/usr/lib", "/usr/share", f"/usr/lib/{os.uname().machine}-linux-gnu")
_FEWEST_FILES, _MOST_FOLDERS = 20, 3


def installed_folders(endings: Sequence[str], lists: Path = _LISTS) -> list[str]:
    """Those of the packages with the most files of these endings, at most three, none inside of another.

    There are none where no package has twenty, or `lists`, dpkg's lists of files, are not there.
    """
    found: dict[str, int] = {}
    for file in sorted(lists.glob("*.list")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        paths = [line for line in lines if line.lower().endswith(tuple(endings)) and not line.startswith(_DOCUMENTS)]
        if len(paths) >= _FEWEST_FILES and (folder := os.path.commonpath(paths)) not in _TOO_WIDE:
            found[folder] = found.get(folder, 0) + len(paths)
    outer = [folder for folder in found if not any(folder.startswith(f"{other}/") for other in found)]
    return sorted(outer, key=lambda folder: (-found[folder], folder))[:_MOST_FOLDERS]
