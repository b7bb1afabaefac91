"""Text that no corpus needs to bring: files of the packages that are installed here, by kind."""

from collections.abc import Collection, Iterable
from importlib.metadata import Distribution, distributions
from itertools import islice, zip_longest
from pathlib import Path

_MIN_CHARACTERS, _MAX_CHARACTERS = 200, 4096


def package_texts(
    endings: Collection[str], most_files: int, installed: Iterable[Distribution] | None = None
) -> dict[str, list[str]]:
    """By ending, the beginnings of up to `most_files` files, in a fixed order that takes distributions in turn.

    Of a file the first 4,096 characters are read. Shorter ones than 200 are passed over, as is what is no UTF-8, and
    the folders of metadata, which hold licences.

    Args:
        endings: such as `.json`.
        installed: where files are looked for; by default all distributions that Python finds.
    """
    found: dict[str, dict[str, list[Path]]] = {ending: {} for ending in endings}
    for distribution in sorted(distributions() if installed is None else installed, key=lambda one: one.name):
        for path in sorted(distribution.files or ()):
            if path.suffix in found and ".dist-info" not in path.parts[0]:
                found[path.suffix].setdefault(distribution.name, []).append(Path(str(path.locate())))
    return {ending: list(islice(_texts(by_name.values()), most_files)) for ending, by_name in found.items()}


def _texts(by_distribution: Iterable[list[Path]]) -> Iterable[str]:
    spread = [files[:: max(len(files) // 64, 1)] for files in by_distribution]  # neighbours in a folder are alike
    for turn in zip_longest(*spread):
        for file in turn:
            if file is not None and (text := _beginning(file)) is not None:
                yield text


def _beginning(file: Path) -> str | None:
    """The first characters of a text file; None where it is none, or holds little."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(_MAX_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) >= _MIN_CHARACTERS else None
