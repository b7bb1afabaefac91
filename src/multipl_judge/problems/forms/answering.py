"""The form of programs that only answer: they read standard input and are judged by what they print."""

import re

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.source_text import masked
from multipl_judge.problems.forms.parts import cases_of
from multipl_judge.problems.problem import Problem

_JAVA_PACKAGE = re.compile(r"^\s*package\s[^;]*;", re.MULTILINE)


def stdin_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """A whole program, judged case by case; tests and nonce are not in it."""
    language, source = problem.language, problem.prompt + completion
    if language == "java" and (clause := _JAVA_PACKAGE.search(masked(source, language))):
        source = source[: clause.start()] + source[clause.end() :]
    return Program(language, source, nonce, HARNESSES[language].options, cases=cases_of(problem))
