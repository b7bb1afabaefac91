"""Counting the tests of a problem: one without any is hollow, and everything passes it."""

import re

from multipl_moe.languages.source_text import bare_code
from multipl_moe.problems.problem import Problem

_ASSERTION = {
    "python": r"\bassert\b",
    "java": r"\bassert\b|\bthrow\b",
    "cpp": r"\bassert\s*\(|\bthrow\b",
    "rust": r"\bassert(?:_eq|_ne)?!|\bpanic!",
    "go": r"\bt\.(?:Fatal|Error|Fail)|\bassert\.\w+\(|\bactual:|\bdeepCompare\(|\bpanic\(",
    "ruby": r"\bassert\w*|\braise\b",
}


def tests_run(problem: Problem) -> int:
    """Assertions that stand in the test code outside comments; 0 means that the tests test nothing.

    In a language that this table does not know every line of the tests counts.
    """
    code = bare_code(problem.tests, problem.language)
    return len(re.findall(_ASSERTION.get(problem.language, r"\S[^\n]*"), code))
