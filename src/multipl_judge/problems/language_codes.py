"""The names that benchmarks and files of answers have for languages: "rb", "rs", "go_test.go", "C++"."""

from difflib import get_close_matches

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.own import OWN_ENTRIES, how_to_add
from multipl_judge.languages.table import LANGUAGES

_MORE = {"go_test.go": "go", "python3": "python"}


def language_of(code: str) -> str | None:
    """Key of the language that a source of answers or problems calls so, None if the judge knows none.

    Known are keys, titles, file extensions and other names of the languages that can be judged, a recipe's own among
    them, in upper case or lower.
    """
    return _codes().get(code.strip().casefold().removeprefix("."))


def require_language(code: str) -> str:
    """`language_of`; raises ValueError, with the nearest name, where there is none."""
    if (language := language_of(code)) is None:
        nearest = get_close_matches(code.casefold(), _codes(), n=1)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(HARNESSES)}"
        how = f"{how_to_add(code.casefold())}, or give the --recipe that has it"
        raise ValueError(f"no language '{code}' can be judged; {hint}; {how}")
    return language


def _codes() -> dict[str, str]:
    codes = dict(_MORE)
    for key, harness in sorted(HARNESSES.items(), key=lambda item: item[0] not in OWN_ENTRIES):  # which take no name
        names = [key, harness.extension]
        if entry := LANGUAGES.get(key) or OWN_ENTRIES.get(key):
            names += [entry.title, *entry.extensions, *entry.other_names]
        codes |= {name.casefold().removeprefix("."): key for name in names}
    return codes | {key: key for key in HARNESSES}
