"""The names that benchmarks and files of answers have for languages: "rb", "rs", "go_test.go", "C++"."""

from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.languages.table import LANGUAGES

_MORE = {"go_test.go": "go", "python3": "python"}


def language_of(code: str) -> str | None:
    """Key of the language that a source of answers or problems calls so, None if the judge knows none.

    Known are keys, titles, file extensions and other names of the languages that can be judged, a recipe's own among
    them, in upper case or lower.
    """
    return _codes().get(code.strip().casefold().removeprefix("."))


def _codes() -> dict[str, str]:
    codes = dict(_MORE)
    for key, harness in HARNESSES.items():
        names = [key, harness.extension]
        if entry := LANGUAGES.get(key):
            names += [entry.title, *entry.extensions, *entry.other_names]
        codes |= {name.casefold().removeprefix("."): key for name in names}
    return codes
