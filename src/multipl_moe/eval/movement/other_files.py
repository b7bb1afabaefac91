"""Kinds of text that a recipe does not train on: files that the packages installed here bring, by ending."""

from collections.abc import Collection, Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from multipl_moe.corpus.documents import TextFile

_KINDS = {
    "Markdown": (".md",),
    "reStructuredText": (".rst",),
    "JSON": (".json",),
    "HTML": (".html", ".htm"),
    "CSS": (".css",),
    "JavaScript": (".js", ".mjs"),
    "TypeScript": (".ts",),
    "YAML": (".yaml", ".yml"),
    "TOML": (".toml",),
    "XML": (".xml",),
    "CSV": (".csv",),
    "SQL": (".sql",),
    "shell": (".sh",),
    "PowerShell": (".ps1",),
    "Perl": (".pl", ".pm"),
    "Tcl": (".tcl",),
    "Fortran": (".f", ".f90"),
    "Cython": (".pyx", ".pxd"),
    "CMake": (".cmake",),
    "gettext": (".po",),
}
_MIN_FILES, _MAX_FILES = 3, 8
_MAX_OF_ONE = 2
_MIN_CHARACTERS, _MAX_CHARACTERS = 200, 4096


def other_files(
    left_out: Collection[str], installed: Iterable[Distribution] | None = None
) -> dict[str, list[TextFile]]:
    """Three to eight files of each kind that has so many, two at most of one distribution, in a fixed order.

    Of a file only the first 4,096 characters are read; shorter ones than 200 are passed over, as is what is no UTF-8,
    and the folders of metadata, which hold licences.

    Args:
        left_out: endings that are passed over, those of the recipe's languages.
        installed: where files are looked for; by default all distributions that Python finds.
    """
    kind_of = {ending: kind for kind, endings in _KINDS.items() for ending in endings if ending not in left_out}
    found: dict[str, list[TextFile]] = {kind: [] for kind in _KINDS}
    for name, files in _files_by_distribution(distributions() if installed is None else installed, kind_of):
        taken = dict.fromkeys(_KINDS, 0)
        for path, file in files:
            kind = kind_of[file.suffix]
            if taken[kind] < _MAX_OF_ONE and len(found[kind]) < _MAX_FILES and (text := _beginning(file)) is not None:
                found[kind].append(TextFile(f"{name}/{path}", text, "unknown"))
                taken[kind] += 1
    return {kind: files for kind, files in found.items() if len(files) >= _MIN_FILES}


def _files_by_distribution(
    installed: Iterable[Distribution], endings: Collection[str]
) -> list[tuple[str, list[tuple[str, Path]]]]:
    """Names of distributions and their files of these endings, both in alphabetical order."""
    by_name: dict[str, list[tuple[str, Path]]] = {}
    for distribution in installed:
        by_name.setdefault(
            distribution.name,
            [
                (path.as_posix(), Path(str(path.locate())))
                for path in distribution.files or ()
                if path.suffix in endings and ".dist-info" not in path.parts[0]
            ],
        )
    return sorted((name, sorted(files)) for name, files in by_name.items())


def _beginning(file: Path) -> str | None:
    """The first characters of a text file; None where it is none, or holds little."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(_MAX_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) >= _MIN_CHARACTERS else None
