"""Leaving out the licence header that a project repeats in every file.

A model that has learnt one header by heart predicts it in each held-out file of the same project: bits per byte would
fall without any gain in the language. Files of different content that share a long header would also pass for near
duplicates. The licence itself is kept in the document's metadata.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from datatrove.data import Document

from multipl_judge.languages.answers import are_answers
from multipl_judge.languages.table import Language

_LICENCE_WORDS = re.compile(r"copyright|licen[cs]e|all rights reserved|SPDX-", re.IGNORECASE)
_KEPT_LINES = re.compile(r"#!|#.*\b(coding|frozen_string_literal|encoding)\s*[:=]")
# Lines of code that stand before a header in some files: include guards.
_PASSED = re.compile(r"\s*(?:#[ \t]*(?:ifndef|define|pragma|if[ \t]*!)|<\?php).*\n?")
# No header begins further down, in characters.
_HEAD = 6000


def remove_licence_headers(
    table: Mapping[str, Language], data: Iterable[Document], rank: int = 0, world_size: int = 1
) -> Iterator[Document]:
    """Step of a pipeline: leave out the header of each file that is no answer."""
    for document in data:
        language = document.metadata["language"]
        if not are_answers(language):
            document.text = without_licence_header(document.text, table[language])
        yield document


def without_licence_header(text: str, language: Language) -> str:
    """`text` less the comments at its beginning that speak of copyright or licence.

    The beginning is all comments, blank lines and include guards up to the first other line. Of a run of line comments
    all go or none, but for shebangs and magic comments, which stay. Text of a language without comment marks is left as
    it is.
    """
    kept, begin = [], 0
    while begin < min(len(text), _HEAD):
        comment, end = _leading_comment(text, begin, language.line_comment, language.block_comment)
        if not comment:
            passed = _PASSED.match(text, begin)
            if passed is None:
                break
            end = passed.end()
        if _LICENCE_WORDS.search(comment):
            kept += [line for line in comment.splitlines(keepends=True) if _KEPT_LINES.match(line.strip())]
            while end < len(text) and text[end] in "\r\n":
                end += 1
        else:
            kept.append(text[begin:end])
        begin = end
    return "".join(kept) + text[begin:]


def _leading_comment(text: str, begin: int, line: str | None, block: tuple[str, str] | None) -> tuple[str, int]:
    """The comment at a place of a text, blank lines aside, and where it ends; ("", begin) without one."""
    start = begin
    while start < len(text) and text[start].isspace():
        start += 1
    if block is not None and text.startswith(block[0], start):
        end = text.find(block[1], start + len(block[0]))
        return (text[start : end + len(block[1])], end + len(block[1])) if end >= 0 else ("", begin)
    end = start
    while line is not None and text.startswith(line, end):
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
    return text[start:end], end if end > start else begin
