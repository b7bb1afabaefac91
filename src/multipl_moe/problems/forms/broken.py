"""References whose bodies fail: if one of these passes, the tests of its problem do not test."""

import re

from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.languages.source_text import body_end
from multipl_moe.problems.forms.closing import BRACES
from multipl_moe.problems.problem import Problem


def broken_reference(problem: Problem) -> str | None:
    """The reference with the body of its function replaced by one that fails when it runs, or None without reference.

    Signature and helper functions stay, so that it compiles wherever the reference does.
    """
    if problem.reference is None:
        return None
    body = HARNESSES[problem.language].broken
    if problem.form == "mbpp":
        return f"def {problem.entry_point}(*arguments, **named):\n{body}\n"
    if problem.language in BRACES:
        end = body_end(problem.prompt, problem.reference, problem.language)
        return body if end is None else body + "\n}" + problem.reference[end:]
    if problem.language == "python":
        return _indent_of_last_line(problem.prompt) + body.strip()
    return body if problem.prompt.endswith("\n") else "\n" + body


def _indent_of_last_line(prompt: str) -> str:
    """White space that starts the last line of a docstring: the body's, unless that line is the signature."""
    last = prompt.rstrip().rsplit("\n", 1)[-1]
    return re.match(r"\s*", last)[0] or "    "  # pyright: ignore[reportOptionalSubscript]
