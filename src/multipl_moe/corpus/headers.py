"""Leaving out the licence header that a project repeats in every file.

A model that has learnt one header by heart predicts it in each held-out file of the same project: bits per byte would
fall without any gain in the language. The licence itself is kept in the document's metadata.
"""

import re

from multipl_moe.languages import Language

_LICENCE_WORDS = re.compile(r"copyright|licen[cs]e|all rights reserved|SPDX-", re.IGNORECASE)
_KEPT_LINES = re.compile(r"#!|#.*\b(coding|frozen_string_literal|encoding)\s*[:=]")


def without_licence_header(text: str, language: Language) -> str:
    """`text` less the comments at its beginning that speak of copyright or licence.

    Comments before and between them go too when they are part of the same run of line comments, but for shebangs and
    magic comments. Text of a language without comment marks is left as it is.
    """
    kept, rest = "", text
    while True:
        block, end = _leading_comment(rest, language.line_comment, language.block_comment)
        if not _LICENCE_WORDS.search(block):
            return kept + rest
        kept += "".join(line for line in block.splitlines(keepends=True) if _KEPT_LINES.match(line.strip()))
        rest = rest[end:].lstrip("\r\n")


def _leading_comment(text: str, line: str | None, block: tuple[str, str] | None) -> tuple[str, int]:
    """The comment that text begins with, blank lines aside, and where it ends; ("", 0) without one."""
    begin = len(text) - len(text.lstrip())
    if block is not None and text.startswith(block[0], begin):
        end = text.find(block[1], begin + len(block[0]))
        return (text[begin : end + len(block[1])], end + len(block[1])) if end >= 0 else ("", 0)
    end = begin
    while line is not None and text.startswith(line, end):
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
    return text[begin:end], end if end > begin else 0
