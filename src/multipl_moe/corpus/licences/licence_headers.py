"""The licence that a source file names in its first comments."""

import re
from functools import lru_cache

from multipl_moe.corpus.licences.gnu_licences import gnu_licence
from multipl_moe.corpus.licences.leading_comments import leading_comments
from multipl_moe.corpus.licences.licence_claims import claims_a_licence
from multipl_moe.corpus.licences.licence_texts import licences_in_text, with_conditions
from multipl_moe.spdx import UNKNOWN, joined, standard_expression

_CHEAP = re.compile(
    r"licen[cs]e|SPDX|permission|redistribut|public domain|\b[al]?gpl(?:v?\d|\b)|\bbsd\b|creative ?commons|\bcc[- ]by\b"
    r"|\bunder the terms|proprietary|confidential|trade secret|unauthori[sz]ed|no rights|not be",
    re.IGNORECASE,
)
_SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
_NOISE = re.compile(r"[\s/*#;!|%>\"'`<-]+")
# A line that states the licence and nothing else.
_STATEMENT = re.compile(
    r"^[\s/*#;!|%>\"'`<-]*(?:@licen[cs]e\b|licen[cs]e[ \t]*:)(?P<value>[^\n]+)$", re.IGNORECASE | re.MULTILINE
)
_LAST_WORD = re.compile(r" licen[cs]e$", re.IGNORECASE)
# Words of headers, in lower case, white space and comment signs collapsed. Of these the first that fits is the answer.
_CHOICES: tuple[tuple[str, str], ...] = (
    (r"business source licen[cs]e", "BUSL-1.1"),  # speaks of the licence that it will turn into, too
    (r"apache license, version 2\.0.{0,120}\bor the\b.{0,40}\bmit license.{0,120}at your option", "Apache-2.0 OR MIT"),
    (r"mpl 1\.1 ?gpl 2\.0 ?lgpl 2\.1|version: mpl 1\.1", "MPL-1.1 OR GPL-2.0-or-later OR LGPL-2.1-or-later"),
    (r"dual licensed under the mit and gpl|\bmit or gpl", "MIT OR GPL-2.0-only"),
    (r"same terms of ruby itself\b", "Ruby OR GPL-1.0-or-later"),
    (r"same (?:licen[cs]e )?terms as ruby\b", "Ruby OR BSD-2-Clause"),
    (r"same terms as perl\b", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
)  # fmt: skip
# Of these all that fit count.
_PHRASES: tuple[tuple[str, str], ...] = (
    (r"server side public licen[cs]e", "SSPL-1.0"),
    (r"elastic licen[cs]e,? (?:version |v\.? ?)?2\.0", "Elastic-2.0"),
    (r"apache license,? version 2(?:\.0)?\b|apache\.org licenses license 2\.0|apache license v?2\.0", "Apache-2.0"),
    (r"\bapache (?:v|version )?2(?:\.0)? licen[cs]e|(?:under|licen[cs]e:) (?:the )?apache v?2\b", "Apache-2.0"),
    (r"(?:gpl|mit) (?:and|or) (?:the )?apache v?2\b", "Apache-2.0"),
    (r"mozilla public license,? (?:v\.?|version) ?2\.0|mozilla\.org mpl 2\.0", "MPL-2.0"),
    (r"mozilla public license,? (?:v\.?|version) ?1\.1", "MPL-1.1"),
    (r"boost software license,? (?:.{0,3}version |v)1[._]0|boost\.org license_1_0", "BSL-1.0"),
    (r"eclipse public license,? (?:v\.? ?|version )2\.0|epl v20|epl 2\.0", "EPL-2.0"),
    (r"eclipse public license,? (?:v\.? ?|version )1\.0|epl v10", "EPL-1.0"),
    (r"common development and distribution license", "CDDL-1.0"),
    (r"academic free license,? version 3\.0", "AFL-3.0"),
    (r"permission is hereby granted, free of charge, to any person obtaining a copy of this software and", "MIT"),
    (r"permission to use, copy, modify, and (?:or )?distribute this software for any purpose with or without", "ISC"),
    (r"this is free and unencumbered software released into the public domain", "Unlicense"),
    (r"cc0 1\.0 universal|creativecommons\.org publicdomain zero", "CC0-1.0"),
    (r"permission is granted to anyone to use this software for any purpose, including commercial", "Zlib"),
    (r"developed at sun(?:pro|soft), a sun microsystems, inc\. business\. permission to use", "SunPro"),
    (r"do what the fuck you want to public license", "WTFPL"),
    (r"unicode,? inc\. license agreement|unicode license v3", "Unicode-3.0"),
    (r"microsoft public license", "MS-PL"),
    (r"licensed under the upl|universal permissive license v ?1\.0", "UPL-1.0"),
    (r"licensed to (?:the )?psf under a contributor agreement", "PSF-2.0"),
    (r"\bpsf licen[cs]e|licen[cs]e: (?:psfl|python licen[cs]e)\b", "PSF-2.0"),
    (r"under (?:the terms of )?[(]?(?:the )?(?:new )?ruby licen[cs]e|\bruby s licen[cs]e|licen[cs]e: ruby s\b", "Ruby"),
    (r"(?:released|licensed|distributed) under (?:the )?(?:terms of )?(?:the )?mit licen[cs]e", "MIT"),
    (r"\bmit licen[cs]ed|licen[cs]e: mit\b|opensource\.org licenses mit", "MIT"),
    (r"(?:3|three) clause bsd|bsd 3 clause|new bsd licen[cs]e|modified bsd licen[cs]e", "BSD-3-Clause"),
    (r"(?:2|two) clause bsd|bsd 2 clause|simplified bsd licen[cs]e", "BSD-2-Clause"),
)  # fmt: skip
_CHOICE_PATTERNS, _PATTERNS = (
    tuple((re.compile(phrase), expression) for phrase, expression in table) for table in (_CHOICES, _PHRASES)
)
_EITHER = re.compile(
    r"dual licen[cs]|choose between|under the terms of either|alternatively, (?:the contents|this)|"
    r"either of the (?:two|following) licen[cs]es|at your election"
)
_GRANT = (
    "permission",
    "redistribut",
    "as is",
    "warrant",
    "permitted",
)  # words without which there is no licence's text
_NON_COMMERCIAL = re.compile(
    r"(?:creative ?commons attribution|\bcc by|creativecommons\.org licenses by) (?:non ?commercial|nc)\b"
    r"(?: (?P<alike>share ?alike|sa)| (?P<same>no ?deriv\w*|nd))?\b(?:.{0,40}?(?P<version>\d\.\d))?"
)
_BSD = re.compile(r"redistribution and use in source and binary forms,? with or without modification,? are permitted")
_BSD_NAMES = re.compile(
    r"neither the name|may not be used to endorse or promote|names? of (?:its|the) .{0,60}may not be used"
)
_BSD_ADVERTISING = re.compile(r"all advertising materials mentioning")


def header_licence(text: str) -> str | None:
    """SPDX expression of the licence that a file's first comments state, or None where they state none.

    An SPDX-License-Identifier line counts before the words of a header; several such lines all apply (REUSE), and so do
    the headers of several licences. Comments that claim or refuse a licence, of which none is known, give "unknown".
    """
    if not _CHEAP.search(text, 0, 6000):
        return None
    comments = leading_comments(text)
    if tags := [match.group(1).strip(" \t-") for match in _SPDX.finditer(comments)]:
        return joined([standard_expression(tag) or tag for tag in tags if tag])
    return _licence_of_words(comments)


@lru_cache(maxsize=4096)  # most files of a project begin with the same words
def _licence_of_words(comments: str) -> str | None:
    found: list[str] = []
    rest = _STATEMENT.sub(lambda line: _taken(line, found), comments)
    words = _NOISE.sub(" ", rest).lower()
    if chosen := next((expression for pattern, expression in _CHOICE_PATTERNS if pattern.search(words)), None):
        return with_conditions(words, joined([*found, chosen]))
    found += [expression for pattern, expression in _PATTERNS if pattern.search(words)]
    found += [expression for tell in (gnu_licence, _bsd, _non_commercial) if (expression := tell(words))]
    if not found and any(word in words for word in _GRANT):
        found = licences_in_text(rest, part=0.01)
    if not found and claims_a_licence(comments):
        return UNKNOWN
    return with_conditions(words, joined(found, "OR" if _EITHER.search(words) else "AND"))


def _taken(line: re.Match[str], found: list[str]) -> str:
    """Puts what follows "License:" into the list if it is an SPDX expression; returns what is left of the line."""
    value = line["value"].strip(" \t\r.,:;*/#-\"'")
    expression = standard_expression(value) or standard_expression(_LAST_WORD.sub("", value))
    if expression is None:
        return line.group()
    found.append(expression)
    return ""


def _bsd(words: str) -> str | None:
    if not _BSD.search(words):
        return None
    if _BSD_ADVERTISING.search(words):
        return "BSD-4-Clause"
    return "BSD-3-Clause" if _BSD_NAMES.search(words) else "BSD-2-Clause"


def _non_commercial(words: str) -> str | None:
    """A licence of Creative Commons that forbids commercial use: the version that is named, or else the last."""
    match = _NON_COMMERCIAL.search(words)
    if match is None:
        return None
    kind = "-SA" if match["alike"] else "-ND" if match["same"] else ""
    return standard_expression(f"CC-BY-NC{kind}-{match['version']}") or f"CC-BY-NC{kind}-4.0"
