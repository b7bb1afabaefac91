"""Text that no corpus needs to bring: files of the packages that are installed here, by kind."""

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

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
    """Files of each kind, in a fixed order, from as many distributions as there are; kinds without any are left out.

    Of a file only the first 4,096 characters are read; shorter ones than 200 are passed over, as is what is no UTF-8,
    and the folders of metadata, which hold licences.

    Args:
        kinds: by name, the endings of their files, as `.json`.
        left_out: endings that are passed over, those of the recipe's languages.
        most_files: of a kind.
        most_of_one: of a kind in one distribution.
        installed: where files are looked for; by default all distributions that Python finds.
    """
    kind_of = {ending: kind for kind, endings in kinds.items() for ending in endings if ending not in left_out}
    found: dict[str, list[TextFile]] = {kind: [] for kind in kinds}
    for name, files in _files_by_distribution(distributions() if installed is None else installed, kind_of):
        taken = dict.fromkeys(kinds, 0)
        for path, file in files:
            kind = kind_of[file.suffix]
            if taken[kind] < most_of_one and len(found[kind]) < most_files and (text := _beginning(file)) is not None:
                found[kind].append(TextFile(f"{name}/{path}", text, "unknown"))
                taken[kind] += 1
    return {kind: files for kind, files in found.items() if files}


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
        with file.open(encoding="utf-8") as stream:
            text = stream.read(_MAX_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) >= _MIN_CHARACTERS else None
