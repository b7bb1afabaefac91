import pytest

from multipl_moe.problems.forms.closing import closed, closed_class
from multipl_moe.problems.problem import Problem


def problem(language: str, prompt: str) -> Problem:
    return Problem("x", "1", language, prompt, "", "starter", ())


@pytest.mark.parametrize("body", ["    return 1;", "    if (n) { return 2; }\n    return 1;", "    return '}';  // {{"])
def test_a_body_that_lacks_one_brace_gets_it(body):
    assert closed(problem("cpp", "int f(int n) {\n"), body) == body + "\n}\n"


def test_a_whole_body_stays_as_it_is():
    assert closed(problem("rust", "fn f<'a>() -> u8 {\n"), "    1\n}\n\nfn g() {}") == "    1\n}\n\nfn g() {}\n"


def test_a_body_cut_in_the_middle_of_a_loop_stays_broken():
    assert closed(problem("go", "func f() {\n"), "    for {\n        g()") == "    for {\n        g()\n"


@pytest.mark.parametrize("body", ["        return 1;", "        return 1;\n    }", "        return 1;\n    }\n}"])
def test_a_class_is_closed_whatever_is_missing(body):
    code = "class A {\n    int f() {\n" + closed_class(problem("java", "class A {\n    int f() {\n"), body)
    assert code.count("{") == code.count("}")
