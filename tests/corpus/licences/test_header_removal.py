import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.licences.header_removal import without_licence_header

GUARDED = "\n#ifndef A_HPP\n#define A_HPP\n\n// Copyright A\n//\n// Distributed under a license\n\n#include <b.hpp>\n"
STATED = "// <algorithm> -*- C++ -*-\n\n// Copyright (C) B\n\n/** @file algorithm */\n\n#pragma once\nint x;\n"


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("java", "/*\n * Copyright 2020 Someone\n */\n\npackage p;\n", "package p;\n"),
        ("go", "// Copyright 2009 A.\n// BSD-style license.\n\n// Package p does.\npackage p\n",
         "// Package p does.\npackage p\n"),
        ("cpp", "// (C) Copyright A\n\n/* Distributed under a license */\n#pragma once\n", "#pragma once\n"),
        ("ruby", "#!/usr/bin/env ruby\n# frozen_string_literal: true\n# License: MIT\n\nputs 1\n",
         "#!/usr/bin/env ruby\n# frozen_string_literal: true\nputs 1\n"),
        ("python", "# Copyright\n", ""),
        ("cpp", GUARDED, "\n#ifndef A_HPP\n#define A_HPP\n#include <b.hpp>\n"),
        ("cpp", STATED, STATED.replace("\n\n// Copyright (C) B\n\n", "\n")),
    ],
)  # fmt: skip
def test_comments_at_the_beginning_that_speak_of_a_licence_are_left_out(language, text, left):
    assert without_licence_header(text, LANGUAGES[language]) == left


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("rust", "//! A crate.\nfn main() {} // Copyright\n"),
        ("cpp", "/* Copyright with no end\nint x;\n"),
        ("english", "# Copyright\n\nAll about it.\n"),
        ("cpp", "#pragma once\nint x;\n// Copyright A\n"),
        ("python", "import os\n\n# License: MIT\n"),
    ],
)
def test_other_comments_later_ones_unclosed_ones_and_natural_language_stay(language, text):
    assert without_licence_header(text, LANGUAGES[language]) == text


@given(
    st.lists(st.sampled_from(["// a\n", "// licence\n", "/* b */", "\n", " ", "#define A\n", "int x;\n"]), max_size=12)
)
def test_only_comments_with_licence_words_and_blank_lines_go(parts: list[str]):
    text = "".join(parts)
    left = without_licence_header(text, LANGUAGES["cpp"])
    assert left.count("int x;") == text.count("int x;")
    assert left.count("#define A") == text.count("#define A")
    assert without_licence_header(left, LANGUAGES["cpp"]) == left
