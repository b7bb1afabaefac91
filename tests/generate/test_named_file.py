"""The language by a file's name, of texts that are odd."""

import time

import pytest

from multipl_moe.generate.named_file import language_of_named_file


@pytest.mark.parametrize(
    "opening", ["//", "#", "--", ";;", "%", "/*", "<!--", "(*", '"""', "--[[", "#|", "//!", "  //", "# ---"]
)
@pytest.mark.parametrize("path", ["src/main.rs", "./src/main.rs", "/home/me/main.rs", "../main.rs ]]", "`main.rs`"])
def test_a_path_alone_in_a_comment_names_the_language(opening: str, path: str):
    assert language_of_named_file(f"{opening} {path}\n") == "rust"


@pytest.mark.parametrize(
    "text",
    [
        "./run.rb\nls",
        "- src/main.rs\n- src/lib.rs\nWhat do these do?",
        "/build.py",
        '"main.go"',
        "> main.py",
        "main.go",
    ],
)
def test_a_path_elsewhere_does_not(text: str):
    assert language_of_named_file(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("// Path: ./src/../one.rs\n", "rust"),
        (f"// {'.' * 15_000} b", None),
        (f"// a{'.b' * 60_000}", None),
        (f"<|file_sep|>a{'.b' * 60_000}.rs\n", "rust"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_line_of_many_points_takes_no_time(text: str, language: str | None):
    begun = time.process_time()
    assert language_of_named_file(text) == language
    assert time.process_time() - begun < 2
