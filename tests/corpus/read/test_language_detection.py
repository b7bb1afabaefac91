"""Languages told by name, by the first line and by the content."""

import inspect
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from multipl_judge.languages.table import LANGUAGES, Language
from multipl_moe.corpus.read.language_detection import LanguageDetector

DETECTOR = LanguageDetector(LANGUAGES)

CPP_HEADER = b"""#pragma once
#include <string>
#include <vector>

namespace shapes {
template <typename T>
class Stack {
 public:
  void push(const T& value) { items_.push_back(value); }
  T pop() { T last = items_.back(); items_.pop_back(); return last; }
  bool empty() const noexcept { return items_.empty(); }

 private:
  std::vector<T> items_;
};
}  // namespace shapes
"""
C_HEADER = b"""#ifndef LIST_H
#define LIST_H
#include <stdio.h>
#include <stdlib.h>

typedef struct list_node {
    struct list_node *next;
    void *value;
} list_node;

list_node *list_push(list_node *head, void *value);
void list_free(list_node *head, void (*free_value)(void *));
int printf(const char *format, ...);
#endif /* LIST_H */
"""


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.rs", "rust"), ("a.rs.gz", "rust"), ("README", "english"), ("A.PY", "python"), ("a.R", "r"),
        ("a.pm", "perl"), ("a.pl", None), ("a.pod", "english"), ("a.tar.gz", None), ("a.h", None), ("rs", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_name_tells_the_language_or_leaves_it_open(name, language):
    assert DETECTOR.by_name(name) == language


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (b"#!/usr/bin/python3.11", "python"), (b"#!/usr/bin/env -S LC_ALL=C ruby -w", "ruby"),
        (b"#! /usr/bin/env python", "python"), (b"#!/bin/sh", None), (b"#!", None),
    ],
)  # fmt: skip
def test_the_first_line_of_a_script_tells_its_language(line, language):
    assert DETECTOR.by_content(line + b"\nimport os\nprint(os.name)\n", "tool") == language


def test_the_content_tells_headers_of_cpp_from_those_of_c():
    with_c = LanguageDetector(
        LANGUAGES | {"c": Language("C", (".c",), shared_extensions=(".h",), content_labels=("c",))}
    )
    assert [known.by_content(CPP_HEADER, "a.h") for known in (DETECTOR, with_c)] == ["cpp", "cpp"]
    assert [known.by_content(C_HEADER, "a.h") for known in (DETECTOR, with_c)] == [None, "c"]
    assert DETECTOR.by_content(b'#ifdef __cplusplus\nextern "C" {\nusing x = int;\n#endif\n' + C_HEADER, "a.h") is None


def test_without_a_pattern_or_an_ending_magika_tells():
    plain = LanguageDetector(LANGUAGES | {"cpp": replace(LANGUAGES["cpp"], content_pattern=None)})
    assert plain.by_content(CPP_HEADER, "a.h") == DETECTOR.by_content(CPP_HEADER, "stack") == "cpp"


def test_the_library_that_tells_languages_keeps_no_record_of_the_machine(tmp_path):
    told = (  # by the file alone: to import all of its package takes six seconds
        "import runpy; from multipl_judge.languages.table import LANGUAGES;"
        f"detector = runpy.run_path({inspect.getfile(LanguageDetector)!r})['LanguageDetector'](LANGUAGES);"
        f"assert detector.by_content({CPP_HEADER!r}, 'stack') == 'cpp'"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    where = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", told], check=True, env=environment | where)
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_tells_only_files_whose_ending_is_shared():
    ours = Language("Ours", (), shared_extensions=(".inc",), content_pattern=r"^begin\b")
    known = LanguageDetector(LANGUAGES | {"ours": ours})
    files = ((b"x\nbegin 1\n", "a.inc"), (b"x\nbegin 1", "a"), (b"x begin", "a.inc"))
    assert [known.by_content(content, name) for content, name in files] == ["ours", None, None]
    perl = b"use strict;\nuse warnings;\n\nmy %seen;\nwhile (my $line = <STDIN>) {\n    $seen{$line}++;\n}\n"
    prolog = b":- module(lists, [append/3]).\n\nappend([], L, L).\nappend([H|T], L, [H|R]) :-\n    append(T, L, R).\n"
    assert [DETECTOR.by_content(text, "a.pl") for text in (perl, prolog)] == ["perl", None]


def test_an_ending_of_an_added_language_goes_before_the_packages_and_before_shared_ones():
    ours = LanguageDetector(LANGUAGES | {"ours": Language("Ours", (".h", ".rs", ".page.py"))})
    assert [ours.by_name(name) for name in ("a.h", "a.rs", "a.page.py", "a.py")] == ["ours", "ours", "ours", "python"]


def test_data_sets_may_write_a_name_in_several_ways():
    names = ("C++", "cpp", "Go", "golang", "Markdown", "COBOL")
    assert [DETECTOR.by_title(name) for name in names] == ["cpp", "cpp", "go", "go", "english", None]
    renamed = LanguageDetector(LANGUAGES | {"go": replace(LANGUAGES["go"], title="Gopher")})
    assert renamed.by_title("gopher") == "go"
