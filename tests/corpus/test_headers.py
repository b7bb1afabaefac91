from multipl_moe.corpus.headers import without_licence_header
from multipl_moe.languages import LANGUAGES


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
