import pytest

from multipl_moe.corpus.licences.leading_comments import leading_comments


@pytest.mark.parametrize(
    ("comments", "code"),
    [
        ("#!/bin/sh\n# One\n\n# Two", "x = 1  # no"),
        ("/*\n  One without a star\n*/\n// Two", "int x; // no"),
        ('"""One\nTwo"""', "x = 1  # no"),
        ("<!-- One\nTwo -->", "<p>no</p>"),
        ("=begin\nOne\n=end", "puts 'no'"),
        ("-- One\n{- Two\nThree -}", "main = no"),
        ("<?php\n/* One */", "$x = 'no';"),
        ("/* One */", "int x; /* no */"),
    ],
)
def test_they_end_where_code_begins(comments, code):
    assert leading_comments(f"{comments}\n{code}\n") == comments


def test_they_are_cut_at_a_limit():
    assert leading_comments("# " + "x" * 100, max_characters=10) == "# xxxxxxxx"
