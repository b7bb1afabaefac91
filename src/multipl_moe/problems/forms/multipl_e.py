"""MultiPL-E: the tests begin with the closing of the function, so a completion is one without it."""

import re
from collections.abc import Callable, Mapping

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, RUBY_CASES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms.cpp_tests import without_main
from multipl_moe.problems.forms.go_file import with_harness_imports
from multipl_moe.problems.problem import Problem


def multipl_e_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Prompt, completion, a newline, tests, as the benchmark's own evaluation puts them together; then the ending."""
    options, wants = _TOOLCHAIN.get(problem.language, ((), ()))
    tests = _TESTS[problem.language](problem.tests)
    call = _CALLS[problem.language](problem)
    source = f"{problem.prompt}{completion}\n{tests}{ending(problem.language, nonce, call)}"
    if problem.language == "go":
        source = with_harness_imports(source)
    return Program(problem.language, source, nonce, options, wants)


def _cpp_tests(tests: str) -> str:
    closing, rest = tests.split("\n", 1)
    return f"{closing}\n{HARNESSES['cpp'].guard}{without_main(rest)}"


def _rust_tests(tests: str) -> str:
    return re.sub(r"\bfn\s+main\s*\(", "fn harness_tests(", tests, count=1)


def _go_tests(tests: str) -> str:
    return re.sub(r"\bfunc\s+Test\w*\s*\(", "func harnessTests(", tests, count=1)


def _java_call(problem: Problem) -> str:
    name = re.findall(r"^class (\w+)", problem.prompt, re.MULTILINE)[0]
    return f"{name}.main(arguments);"


def _ruby_call(problem: Problem) -> str:
    test_case = re.findall(r"class (\w+) < Test::Unit::TestCase", problem.tests)[0]
    return RUBY_CASES.replace("$test_case", test_case)


_TOOLCHAIN = {
    "cpp": (("-std=c++17",), ()),
    "java": ((), ("javatuples",)),
    "rust": (("--edition=2015",), ()),
}
_TESTS: Mapping[str, Callable[[str], str]] = {
    "cpp": _cpp_tests,
    "java": lambda tests: tests,
    "rust": _rust_tests,
    "go": _go_tests,
    "ruby": lambda tests: tests,
}
_CALLS: Mapping[str, Callable[[Problem], str]] = {
    "cpp": lambda problem: "harness_tests();",
    "java": _java_call,
    "rust": lambda problem: "harness_tests();",
    "go": lambda problem: "harnessTests(t)",
    "ruby": _ruby_call,
}
