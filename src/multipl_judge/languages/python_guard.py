"""Python: a program whose tests and completion run in two processes, as `sources/python_harness.py` says."""

import ast
import re
from functools import cache

from multipl_judge.languages.program import Nonce, python_literal
from multipl_judge.languages.source_text import masked
from multipl_judge.languages.sources import text_of

_OUTERMOST = re.compile(r"^(?:@[^\n]*\n)*(?:async[ \t]+)?(?:def|class)\b", re.MULTILINE)
_OWN_IMPORT = re.compile(r"^from multipl_judge\.[^\n]*\n", re.MULTILINE)


def python_program(code: str, tests: str, nonce: Nonce, *, opening: str = "", entry_point: str | None = None) -> str:
    """The text of a program that tests a completion.

    Args:
        code: the whole text with the completion.
        tests: what tests it; its names are those of `opening`, else those of `code`.
        nonce: what the program prints when the tests have passed.
        opening: the beginning of `code` that the completion has no part in; the tests see its classes and functions as
            it makes them.
        entry_point: name of the function under test, whose results are then not believed to be equal to anything by
            methods that the completion brings.
    """
    texts = ", ".join(map(python_literal, (opening, tests, entry_point or "")))
    return (
        f"harness_code = {python_literal(code)}\nharness_text = compile({_harness()!r}, '<harness>', 'exec')\n"
        "harness = {'__name__': 'harness'}\nexec(harness_text, harness)\n"
        f"harness['run_tests'](globals(), harness_text, harness_code, {texts}, ({nonce.first}, {nonce.second}))\n"
    )


def opening(prompt: str) -> str:
    """What stands in a prompt before the function or class with which it ends; all of it where it ends otherwise."""
    statements = _statements(prompt)
    if statements and not isinstance(statements[-1], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return prompt
    heads = (prompt[: found.start()] for found in reversed(list(_OUTERMOST.finditer(masked(prompt, "python")))))
    return next((head for head in heads if _statements(head) is not None), "")


@cache
def _harness() -> str:
    """The text of both ends, as one file."""
    texts = (text_of(name) for name in ("python_values.py", "python_harness.py"))
    return "\n".join(_OWN_IMPORT.sub("", text) for text in texts)


def _statements(code: str) -> list[ast.stmt] | None:
    """The statements of a text, None where it does not parse."""
    try:
        return ast.parse(code).body
    except (SyntaxError, ValueError):
        return None
