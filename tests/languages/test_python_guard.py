import pytest

from multipl_moe.languages.python_guard import SNAPSHOT, with_snapshot


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ("", 'def f(n):\n    """\ndef g():\n"""\n'),
        ("from __future__ import annotations\n\nclass A:\n    x = 1\n\n", "@once\ndef f(n):\n"),
        ("", "def g():\n    return 1\n\n@many(\n    2,\n)\ndef f(n):\n"),
        ("import x\n", "class A:\n    def f(self):\n"),
    ],
)
def test_the_snapshot_stands_before_the_open_function(head, rest):
    assert with_snapshot(head + rest) == head + SNAPSHOT + rest


def test_a_prompt_that_opens_no_function_stays_as_it_is():
    assert with_snapshot("# Write f.\n") == "# Write f.\n"
