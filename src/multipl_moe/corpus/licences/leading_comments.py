"""The comments that a file begins with, in whatever language it is."""

import re

_BLOCKS = {
    "/*": "*/", '"""': '"""', "'''": "'''", "<!--": "-->", "=begin": "=end", "(*": "*)", "{-": "-}", "--[[": "]]",
    "#|": "|#", "<#": "#>", "%{": "%}", "/+": "+/",
}  # fmt: skip
_LINE = re.compile(r"//|#|--|;|%|\*|!|'|\.\.|dnl\b|rem\b|\"", re.IGNORECASE)
# Lines that stand before a licence in some files and say nothing.
_PASSED = re.compile(r"<\?|['\"]use strict|package\b|module\b|namespace\b|\{$|\"\"\"$", re.IGNORECASE)


def leading_comments(text: str, max_characters: int = 6000) -> str:
    """The lines of a text up to the first that is neither comment nor blank, at most `max_characters` of them.

    Marks of all languages count alike: what is wanted is the part in which a licence may stand, and a line too many
    does no harm.
    """
    head = text[:max_characters]
    lines, end = [], None
    for line in head.splitlines():
        stripped = line.strip()
        if end is not None:
            end = None if end in stripped else end
        elif stripped and (begin := _block(stripped)):
            end = None if _BLOCKS[begin] in stripped[len(begin) :] else _BLOCKS[begin]
        elif stripped and not _LINE.match(stripped) and not _PASSED.match(stripped):
            break
        lines.append(line)
    return "\n".join(lines)


def _block(line: str) -> str | None:
    return next((begin for begin in _BLOCKS if line.startswith(begin)), None)
