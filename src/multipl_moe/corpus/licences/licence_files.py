"""Licences of files, by their own tags and the licence files nearest to them; files left out for theirs."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import IO, Literal

from datatrove.data import Document
from licenseclassifier import identify_license

from multipl_moe.spdx import UNKNOWN, LicencePolicy, joined, standard_expression

MAX_LICENCE_BYTES = 200_000
_HEAD_CHARACTERS = 6000
_SPDX_TAG = re.compile(
    r"^[^\w\n\"'`]*(?:dnl |rem )?SPDX-License-Identifier:[ \t]*([A-Za-z0-9(][^\n]*)", re.IGNORECASE | re.MULTILINE
)
_AFTER_TAG = re.compile(r"[\"'`\\<]|\*/|\*\)|->|\]\]|-\}|#\}|%>|\|#|\s(?:#|//|/\*)")  # a comment or text ends
# LICENSE, LICENCE.txt, COPYING.LESSER, LICENSE-MIT, MIT-LICENSE, UNLICENSE.
_NAME = re.compile(
    r"(?:(?:un)?licen[cs]e|copying|copyright)(?:[-.][\w.-]+)?|[\w.-]+[-_]licen[cs]e(?:\.\w+)?", re.IGNORECASE
)
# Code and data that are called like one, and translations, which stand beside what they translate.
_OTHER_ENDINGS = re.compile(
    r"\.(?:py|pyi|go|rs|rb|[cm]?jsx?|tsx?|vue|c|cc|cpp|cxx|cs|h|hh|hpp|mm?|sh|java|kts?|scala|swift|php|p[lm]|lua|r|jl|hs"
    r"|ml|dart|exs?|erl|clj|sql|s?css|html?|xml|json|ya?ml|toml|ini|cfg|csv|svg|png|jpe?g|gif|ico|pdf|docx?|gz|tmpl|po)$"
    r"|[-._](?:de|es|fr|it|ja|ko|pt|ru|zh)(?:[-_]\w\w)?(?:\.(?:txt|md|rst))?$",
    re.IGNORECASE,
)
_AFFIX = re.compile(r"^(?:licen[cs]e|copying)[-.]|[-_]licen[cs]e$")
_TAG = re.compile(r"[a-z]+?(?=v?[-._]?\d|[-._]|$)")
# Titles of licences that the classifier does not know.
_TITLES = (
    (re.compile(r"\W*(?:license text copyright .{0,100})?business source licen[cs]e"), "BUSL-1.1"),
    (re.compile(r"\W*server side public licen[cs]e"), "SSPL-1.0"),
    (re.compile(r"\W*elastic licen[cs]e 2\.0"), "Elastic-2.0"),
)
_COMMONS_CLAUSE = re.compile(r"commons\s+clause")
# What a text says beside a known licence, and takes back of it.
_RIDER = re.compile(
    r"(?:may|must|shall|can) ?(?:not|only) be used (?:to|for|by)\b|\bnon-?commercial|\bprohibited\b"
    r"|\brequires? an? (?:\w+ )?licen[cs]e|\b(?:user|without an?(?: \w+)?) licen[cs]e agreement"
)
_CHOICE = re.compile(
    r"either of (?:the|these) (?:\w+ )?licen[cs]es|dual[- ]licen[cs]ed|under the terms of \*?either|at your option"
)
_TERMS = re.compile(r"licen[cs]|permi|redistribut|terms|proprietary|confidential")


def nearest_licence(licence_in: Callable[[str], str | None]) -> Callable[[str], str]:
    """Looks up the licence of a file by its path: what its folder's licence files say, else the next folder's above.

    `licence_in` tells what those of one folder ("" is the root) state, if they do, and is asked once for each.
    """
    stated = cache(licence_in)

    def licence_of(path: str) -> str:
        while path:
            path = path.rpartition("/")[0]
            if (licence := stated(path)) is not None:
                return licence
        return UNKNOWN

    return licence_of


def nearest_on_disk(root: Path) -> Callable[[str], str]:
    """Licences of the files of a folder or work tree, by path; see `nearest_licence`."""

    def licence_in(folder: str) -> str | None:
        try:
            names = [path.name for path in (root / folder).iterdir() if is_licence_name(path.name) and path.is_file()]
        except FileNotFoundError:  # git tracks files in it that the work tree lacks
            return None
        except OSError:  # what the licence is cannot be seen
            return UNKNOWN
        return _licence_of_folder(names, lambda name: (root / folder / name).open("rb"))

    return nearest_licence(licence_in)


def nearest_among(paths: Iterable[str], open_file: Callable[[str], IO[bytes]]) -> Callable[[str], str]:
    """Licences of files that are listed beforehand and opened by `open_file`, by path; see `nearest_licence`."""
    names: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if is_licence_name(name):
            names.setdefault(folder, []).append(name)

    def licence_in(folder: str) -> str | None:
        prefix = f"{folder}/" if folder else ""
        return _licence_of_folder(names.get(folder, ()), lambda name: open_file(prefix + name))

    return nearest_licence(licence_in)


def is_licence_name(name: str) -> bool:
    """Whether a file of this name states the licence of the files in its folder and below."""
    return _NAME.fullmatch(name) is not None and not _OTHER_ENDINGS.search(name)


def _licence_of_folder(names: Iterable[str], open_file: Callable[[str], IO[bytes]]) -> str | None:
    licences: dict[str, str | None] = {}
    for name in sorted(names):
        try:
            with open_file(name) as stream:
                licences[name] = licence_of_file(name, stream.read(MAX_LICENCE_BYTES))
        except OSError:
            licences[name] = UNKNOWN
    return licence_of_files(licences)


def licence_of_file(name: str, content: bytes) -> str | None:
    """What one licence file says: an SPDX expression, or "unknown" where its text is no known licence or restricts one.

    None where it states none (an empty file, a list of holders), and "" where that depends on the files beside it: one
    that only offers a choice between them, or a COPYRIGHT that tells which parts have others.
    """
    text = content.decode("utf-8", "replace")
    words = " ".join(text.split()).lower()
    if title := next((licence for pattern, licence in _TITLES if pattern.match(words)), None):
        return title
    found, rest = _licences_in(text)
    if found and _COMMONS_CLAUSE.search(words):
        return joined(["LicenseRef-Commons-Clause", *found])
    if found:
        return UNKNOWN if _RIDER.search(rest) and "-NC" not in "".join(found) else joined(found)
    is_copyright = name.lower().startswith("copyright")
    if not words or (is_copyright and not _TERMS.search(words)):
        return None
    return "" if is_copyright or (len(words) <= 1000 and _CHOICE.search(words)) else UNKNOWN


def licence_of_files(licences: Mapping[str, str | None]) -> str | None:
    """The licence of a folder by what its licence files say, as `licence_of_file` has it; None where none says any.

    Files that are called by their licences offer a choice (LICENSE-MIT beside LICENSE-APACHE), if all others repeat one
    of those. Else all apply, as do several in one file: COPYING beside jquery-LICENSE.txt is no choice. One that is
    unknown makes the whole unknown. The texts of the GNU licences do not tell "only" from "or later": the narrower is
    taken.
    """
    found = {name: licence for name, licence in licences.items() if licence}
    if UNKNOWN in found.values() or (not found and "" in licences.values()):
        return UNKNOWN
    # A COPYRIGHT of many licences lists those of parts (Rust's): what the files beside it say is the whole's.
    lists = {name for name, licence in found.items() if name.lower().startswith("copyright") and " AND " in licence}
    if len(lists) < len(found):
        found = {name: licence for name, licence in found.items() if name not in lists}
    # COPYING.LESSER is a supplement to the GPL beside it.
    if any(licence.startswith("LGPL-3") for licence in found.values()):
        found = {name: licence for name, licence in found.items() if not licence.startswith("GPL-3")}
    options = [licence for name, licence in found.items() if _is_called(name, licence)]
    return joined(options, "OR") if set(options) == set(found.values()) else joined(found.values())


def _licences_in(text: str) -> tuple[list[str], str]:
    """SPDX ids of the licences in a text, in their order, each once, and in lower case the words beside theirs."""
    matches = identify_license(text)
    ends = [0, *accumulate((match.end for match in matches), max)]
    rest = " ".join(
        text[end:start] for end, start in zip(ends, [*(match.start for match in matches), None], strict=True)
    )
    ids = dict.fromkeys(match.id for match in matches)
    # The GNU licences end with the notice to put into files, "version N or any later": that is no second licence.
    ids = [name for name in ids if name.removesuffix("-or-later") not in ids or not name.endswith("-or-later")]
    found = list(dict.fromkeys(standard_expression(name) or name for name in ids))
    return found, " ".join(rest.split()).lower()


def _is_called(name: str, licence: str) -> bool:
    """Whether a file is called by the licence in it, as LICENSE-APACHE, MIT-LICENSE.txt and UNLICENSE are."""
    stem = re.sub(r"\.(?:txt|md|rst)$", "", name.lower())
    tag = _TAG.search(_AFFIX.sub("", stem)) if _AFFIX.search(stem) or stem.startswith("un") else None
    if tag is None:
        return False
    return licence.lower().removeprefix("0").startswith({"boost": "bsl"}.get(tag.group(), tag.group()))


def tagged_licence(text: str) -> str | None:
    """SPDX expression of the SPDX-License-Identifier lines at the beginning of a file; None where there are none.

    Several such lines all apply, as REUSE has it. Only lines that begin with it, comment marks aside, count.
    """
    lines = (match[1] for match in _SPDX_TAG.finditer(text[:_HEAD_CHARACTERS]))
    tags = (_AFTER_TAG.split(line, maxsplit=1)[0].strip(" \t\r-*") for line in lines)
    return joined(standard_expression(tag) or tag for tag in tags if tag)


def refused_licence(policy: LicencePolicy, unknown: Literal["keep", "drop"], document: Document) -> str | None:
    """Settle a document's licence; gives it where the document has to be left out for it.

    The file's own SPDX tags count before what came with it (its row, repository or source); the result, an SPDX
    expression where it is one, is put into metadata["licence"]. So this has to come before licence headers are left
    out. `unknown` says what becomes of files whose licence is not known or not in SPDX.
    """
    given = document.metadata.get("licence") or UNKNOWN
    licence = tagged_licence(document.text) or standard_expression(given) or given
    document.metadata["licence"] = licence
    permitted = policy.permits(licence)
    return None if permitted or (permitted is None and unknown == "keep") else licence
