"""The beginning of a C++ source text that compiles the same for every program that shares it."""

import re

_BLANK = r"(?:\s|//[^\n]*\n|/\*.*?\*/)*"
_HEADER = r"<([A-Za-z][\w+.-]*(?:/[\w+-][\w+.-]*)*)>"
_INCLUDE = re.compile(_BLANK + r"#[ \t]*include[ \t]*" + _HEADER + r"[ \t]*(?=\n|//|/\*)", re.DOTALL)
_ALL_STANDARD_HEADERS = "bits/stdc++.h"


def leading_includes(source: str) -> str:
    """The inclusions of system headers with which a C++ source text begins, one a line, "" if there is none.

    A header made of exactly these lines can be compiled once and put in front of the text, whose own inclusions then
    add nothing. Whatever may change their meaning, such as a macro, ends the beginning; so does the header that
    includes all of the standard library, after which hardly anything is left to gain.
    """
    names: list[str] = []
    position = 0
    while _ALL_STANDARD_HEADERS not in names and (match := _INCLUDE.match(source, position)):
        names.append(match[1])
        position = match.end()
    return "".join(f"#include <{name}>\n" for name in names)
