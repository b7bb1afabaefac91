"""Which of the GNU licences, and which of its versions, the words of a header name."""

import re
from collections.abc import Iterator

from multipl_moe.spdx import standard_expression

_VERSION = r"(?:version |v\.? ?)?(?P<number>\d(?:\.\d)?)\b"
_NAMED = re.compile(
    r"(?:gnu|gnu's) (?P<kind>lesser |library |affero )?(?:general public licen[cs]e|general public|gpl)"
    r"|\b(?P<short>a|l)?gpl(?=,? ?" + _VERSION.replace("?P<number>", "?:") + ")"
    r"|(?:licen[cs]e: ?|licen[cs]ed under |under )(?:the )?(?:terms of )?(?:the )?(?P<bare>a|l)?gpl\b"
)
_FAMILIES = {"lesser ": "LGPL", "library ": "LGPL", "affero ": "AGPL", "l": "LGPL", "a": "AGPL"}
_ANY_VERSION = {"GPL": "GPL-1.0-or-later", "LGPL": "LGPL-2.0-or-later", "AGPL": "AGPL-1.0-or-later"}
_AT_ONCE = re.compile(",? ?" + _VERSION)
_ANYWHERE = re.compile(r"\b(?:version|v\.?) ?(?P<number>\d(?:\.\d)?)\b")
_LATER = re.compile(r"any later|or later|or newer|or above|(?:version |v\.? ?|gpl,? ?)\d(?:\.\d)?\+")
_EXCEPTIONS = (
    ("classpath exception", "Classpath-exception-2.0"),
    ('classpath" exception', "Classpath-exception-2.0"),
    ("gcc runtime library exception", "GCC-exception-3.1"),
    ("special exception, you may create a larger work that contains part or all of the bison", "Bison-exception-2.2"),
)


def gnu_licence(words: str) -> str | None:
    """SPDX expression of the GNU licence that a header names first, or None where it names none.

    The version is the first behind the name that the licence has, else the last before it: programs have versions, too.
    Without one any may be chosen, as the licences themselves say.

    Args:
        words: the header in lower case, white space and comment signs collapsed.
    """
    match = _NAMED.search(words)
    if match is None:
        return None
    family = _FAMILIES.get(match["kind"] or match["short"] or match["bare"] or "", "GPL")
    before, behind = words[max(0, match.start() - 200) : match.start()], words[match.end() : match.end() + 400]
    later = "or-later" if _LATER.search(before + match.group() + behind) else "only"
    versions = (standard_expression(f"{family}-{number}-{later}") for number in _numbers(before, behind))
    expression = next(filter(None, versions), _ANY_VERSION[family])
    exception = next((name for phrase, name in _EXCEPTIONS if phrase in words), None)
    return f"{expression} WITH {exception}" if exception else expression


def _numbers(before: str, behind: str) -> Iterator[str]:
    at_once = _AT_ONCE.match(behind)
    found = [at_once] if at_once else []
    found += [*_ANYWHERE.finditer(behind), *reversed(list(_ANYWHERE.finditer(before)))]
    for match in found:
        yield match["number"] if "." in match["number"] else f"{match['number']}.0"
