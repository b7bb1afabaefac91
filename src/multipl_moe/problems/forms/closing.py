"""Giving a completion back the closing of its function, which the stop string that ended it took away."""

from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.languages.source_text import brace_depth
from multipl_moe.problems.problem import Problem

BRACES = frozenset({"cpp", "go", "java", "rust"})


def closed(problem: Problem, completion: str) -> str:
    """The completion with its function closed.

    Where functions end with a brace, one is added only if exactly that one is missing: a completion that was cut in
    the middle of a loop stays broken, one that is whole stays as it is. Elsewhere the closing is always missing.
    """
    language = problem.language
    if language not in BRACES:
        return completion + HARNESSES[language].closing
    missing = brace_depth(problem.prompt + completion, language) - brace_depth(problem.prompt, language)
    return completion + (HARNESSES[language].closing if missing == 0 else "\n")


def closed_class(problem: Problem, completion: str) -> str:
    """The completion of a Java method with method and class closed."""
    code = closed(problem, completion)
    return code + ("}\n" if brace_depth(problem.prompt + code, problem.language) == 1 else "")
