from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.corpus.licences.header_removal import without_licence_header
from multipl_moe.languages.table import LANGUAGES


def test_a_licence_block_comment_is_left_out():
    text = "/*\n * Copyright 2020 Someone\n */\n\npackage p;\n"
    assert without_licence_header(text, LANGUAGES["java"]) == "package p;\n"


def test_a_run_of_line_comments_that_speaks_of_a_licence_is_left_out():
    text = "// Copyright 2009 The Go Authors.\n// BSD-style license.\n\n// Package p does.\npackage p\n"
    assert without_licence_header(text, LANGUAGES["go"]) == "// Package p does.\npackage p\n"


def test_several_licence_comments_in_a_row_are_left_out():
    text = "// (C) Copyright A\n\n/* Distributed under a license */\n#pragma once\n"
    assert without_licence_header(text, LANGUAGES["cpp"]) == "#pragma once\n"


def test_shebang_and_magic_comments_stay():
    text = "#!/usr/bin/env ruby\n# frozen_string_literal: true\n# License: MIT\n\nputs 1\n"
    assert (
        without_licence_header(text, LANGUAGES["ruby"])
        == "#!/usr/bin/env ruby\n# frozen_string_literal: true\nputs 1\n"
    )


def test_other_comments_and_later_mentions_stay():
    text = "//! A crate.\nfn main() {} // Copyright\n"
    assert without_licence_header(text, LANGUAGES["rust"]) == text


def test_an_unclosed_comment_stays():
    text = "/* Copyright with no end\nint x;\n"
    assert without_licence_header(text, LANGUAGES["cpp"]) == text


def test_a_file_that_is_only_a_licence_becomes_empty():
    assert without_licence_header("# Copyright\n", LANGUAGES["python"]) == ""


def test_natural_language_is_left_as_it_is():
    text = "# Copyright\n\nAll about it.\n"
    assert without_licence_header(text, LANGUAGES["english"]) == text


def test_a_header_behind_include_guards_or_another_comment_is_left_out():
    text = "\n#ifndef A_HPP\n#define A_HPP\n\n// Copyright A\n//\n// Distributed under a license\n\n#include <b.hpp>\n"
    assert without_licence_header(text, LANGUAGES["cpp"]) == "\n#ifndef A_HPP\n#define A_HPP\n#include <b.hpp>\n"
    text = "// <algorithm> -*- C++ -*-\n\n// Copyright (C) B\n\n/** @file algorithm */\n\n#pragma once\nint x;\n"
    expected = "// <algorithm> -*- C++ -*-\n\n/** @file algorithm */\n\n#pragma once\nint x;\n"
    assert without_licence_header(text, LANGUAGES["cpp"]).replace("\n\n", "\n") == expected.replace("\n\n", "\n")


def test_a_comment_behind_the_first_line_of_code_stays():
    text = "#pragma once\nint x;\n// Copyright A\n"
    assert without_licence_header(text, LANGUAGES["cpp"]) == text
    text = "import os\n\n# License: MIT\n"
    assert without_licence_header(text, LANGUAGES["python"]) == text


@given(
    st.lists(st.sampled_from(["// a\n", "// licence\n", "/* b */", "\n", " ", "#define A\n", "int x;\n"]), max_size=12)
)
def test_only_comments_with_licence_words_and_blank_lines_go(parts: list[str]):
    text = "".join(parts)
    left = without_licence_header(text, LANGUAGES["cpp"])
    assert left.count("int x;") == text.count("int x;")
    assert left.count("#define A") == text.count("#define A")
    assert without_licence_header(left, LANGUAGES["cpp"]) == left
