import pytest

from multipl_judge.languages.python_guard import opening


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ("", 'def f(n):\n    """\ndef g():\n"""\n'),
        ("from __future__ import annotations\n\nclass A:\n    x = 1\n\n", "@once\ndef f(n):\n"),
        ("", "def g():\n    return 1\n\n@many(\n    2,\n)\ndef f(n):\n"),
        ("import x\n", "class A:\n    def f(self):\n"),
    ],
)
def test_the_opening_ends_before_the_open_function(head, rest):
    assert opening(head + rest) == head


def test_a_prompt_that_opens_no_function_is_all_opening():
    assert opening("import math\n# Write f.\n") == "import math\n# Write f.\n"
