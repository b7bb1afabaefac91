"""Completions closed again, references broken on purpose, tests counted."""

import pytest

from multipl_judge.problems.forms.parts import broken_reference, closed, closed_class
from multipl_judge.problems.forms.parts import tests_run as count_tests
from multipl_judge.problems.humaneval_x import read_humaneval_x
from multipl_judge.problems.problem import Problem
from tests.multipl_judge.problems.samples import HUMANEVAL_X, write_rows


def problem(language: str, prompt: str, reference: str | None = None) -> Problem:
    return Problem("x", "1", language, prompt, "", "starter", (), reference=reference)


@pytest.mark.parametrize(
    ("language", "prompt", "body", "missing"),
    [
        ("cpp", "int f(int n) {\n", "    return 1;", "}\n"),
        ("cpp", "int f(int n) {\n", "    if (n) { return 2; }\n    return 1;", "}\n"),
        ("cpp", "int f(int n) {\n", "    return '}';  // {{", "}\n"),
        ("rust", "fn f<'a>() -> u8 {\n", "    1\n}\n\nfn g() {}", ""),
        ("go", "func f() {\n", "    for {\n        g()", ""),
    ],
    ids=["one brace", "inner braces", "braces in literals", "whole", "cut in a loop"],
)
def test_a_body_that_lacks_exactly_one_brace_gets_it(language, prompt, body, missing):
    assert closed(problem(language, prompt), body) == f"{body}\n{missing}"


@pytest.mark.parametrize("body", ["        return 1;", "        return 1;\n    }", "        return 1;\n    }\n}"])
def test_a_class_is_closed_whatever_is_missing(body):
    code = "class A {\n    int f() {\n" + closed_class(problem("java", "class A {\n    int f() {\n"), body)
    assert code.count("{") == code.count("}")


def test_without_a_reference_there_is_nothing_to_break(samples):
    assert broken_reference(samples["multipl_e-rust"]) is None


def test_functions_after_the_first_stay():
    helper = "\n}\n\nfn half_of(n: i32) -> i32 {\n    n / 2\n}\n"
    posed = problem("rust", "fn f(n: i32) -> i32 {\n", f"\n    half_of(4 * n){helper}")
    assert broken_reference(posed) == f'    panic!("broken on purpose"){helper}'


@pytest.mark.parametrize(("prompt", "indent"), [('def f():\n "Doc."\n', " "), ("def f():\n", "    ")])
def test_a_python_body_is_indented_like_the_docstring_before_it(prompt, indent):
    posed = problem("python", prompt, indent + "return 1")
    assert broken_reference(posed) == f"{indent}raise RuntimeError('broken on purpose')"


def test_every_sample_has_tests(samples):
    assert all(count_tests(problem) > 0 for problem in samples.values())


def test_a_problem_whose_tests_are_a_comment_is_hollow(tmp_path):
    row = HUMANEVAL_X["rust"]
    hollow = {**row, "task_id": "Rust/901", "test": row["test"].replace("assert_eq!", "// assert_eq!")}
    problems = read_humaneval_x(write_rows(tmp_path / "a.jsonl", [row, hollow]))
    assert {problem.id: count_tests(problem) for problem in problems} == {"Rust/900": 1, "Rust/901": 0}
