"""Text that no corpus needs to bring: files of the packages that are installed here, and of folders, by kind."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from multipl_judge.languages.table import endings_of
from multipl_moe.corpus.documents import TextFile

_MIN_CHARACTERS, _MAX_CHARACTERS = 200, 4096


def package_files(
    kinds: Mapping[str, Collection[str]],
    left_out: Collection[str],
    *,
    most_files: int,
    most_of_one: int,
    installed: Iterable[Distribution] | None = None,
) -> dict[str, list[TextFile]]:
    """Files of each kind, the first distributions in alphabetical order first; kinds without any are left out.

    Of a file only the first 4,096 characters are read; shorter ones than 200 are passed over, as is what is no UTF-8,
    and the folders of metadata, which hold licences.

    Args:
        kinds: by name, the endings of their files, as `.json`.
        left_out: endings in lower case that are passed over, those of the recipe's languages.
        most_files, most_of_one: of a kind, and of a kind in one distribution.
        installed: where files are looked for; by default all distributions that Python finds.
    """
    kind_of = _kinds_by_ending(kinds)
    by_name = _files_by_distribution(distributions() if installed is None else installed, kind_of)
    groups = [
        [(kind_of[file.suffix], f"{name}/{path}", file) for path, file in files if not _is_in(left_out, file)]
        for name, files in by_name
    ]
    found = _first_texts(groups, most_files, most_of_one)
    return {kind: found[kind] for kind in kinds if kind in found}


def folder_files(
    folders: Iterable[Path],
    left_out: Collection[str],
    *,
    kinds: Mapping[str, Collection[str]] | None = None,
    most_files: int,
) -> dict[str, list[TextFile]]:
    """Files below some folders, as `package_files`: of each kind the first of every folder, then the second ones.

    Links to folders are not followed. Without `kinds`, files of one ending are of one kind, which is named by it, and
    files without an ending are passed over.
    """
    kind_of = None if kinds is None else _kinds_by_ending(kinds)
    ranked: list[tuple[int, str, Path]] = []
    seen = set[str]()
    for folder in folders:
        for place, _, names in os.walk(folder):
            if (real := os.path.realpath(place)) in seen:
                continue
            seen.add(real)
            before = Counter[str]()
            for file in (Path(place, name) for name in sorted(names)):
                kind = file.suffix if kind_of is None else kind_of.get(file.suffix, "")
                if kind and not _is_in(left_out, file):
                    ranked.append((before[kind], kind, file))
                    before[kind] += 1
    files = [(kind, str(file), file) for _, kind, file in sorted(ranked)]
    return _first_texts([files], most_files, most_files)


def _kinds_by_ending(kinds: Mapping[str, Collection[str]]) -> dict[str, str]:
    return {ending: kind for kind, endings in kinds.items() for ending in endings}


def _is_in(endings: Collection[str], file: Path) -> bool:
    return any(ending in endings for ending in endings_of(file))


def _first_texts(
    groups: Iterable[Iterable[tuple[str, str, Path]]], most_files: int, most_of_one: int
) -> dict[str, list[TextFile]]:
    """By kind, `most_files` texts, `most_of_one` of a group of files with their kinds and names."""
    found: dict[str, list[TextFile]] = {}
    for files in groups:
        taken = Counter[str]()
        for kind, name, file in files:
            texts = found.setdefault(kind, [])
            if taken[kind] < most_of_one and len(texts) < most_files and (text := _beginning(file)) is not None:
                texts.append(TextFile(name, text, "unknown"))
                taken[kind] += 1
    return {kind: texts for kind, texts in found.items() if texts}


def _files_by_distribution(
    installed: Iterable[Distribution], endings: Collection[str]
) -> list[tuple[str, list[tuple[str, Path]]]]:
    """Names of distributions and their files of these endings, both in alphabetical order."""
    by_name: dict[str, list[tuple[str, Path]]] = {}
    for distribution in installed:
        if not distribution.name:  # what an interrupted installation left
            continue
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
        if not file.is_file():  # a pipe would never end
            return None
        with file.open(encoding="utf-8") as stream:
            text = stream.read(_MAX_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) >= _MIN_CHARACTERS else None
