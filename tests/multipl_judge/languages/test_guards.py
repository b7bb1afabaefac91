"""What stands between completion and tests; whether it holds is seen by tests/multipl_judge/judge/evil."""

import re
import time

import pytest

from multipl_judge.languages.guards import cpp_controls, cpp_tests, guard
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.program import Nonce

_NONCE = Nonce(1, 2)


def of(language: str, prompt: str = "", completion: str = "", tests: str = "") -> str:
    """The guard of a program."""
    return guard(language, _NONCE, prompt=prompt, completion=completion, tests=tests)


def test_macros_are_undefined_by_the_words_of_the_tests_but_for_those_of_the_prompt_and_the_library():
    tests = "int main() { assert(same(twice(1), SIZE) and M_PI > 3 && DBL_MAX > 0 && A && TWO_A && TWO_B); } // comment"
    own = "#define /* so */ TWO_A 1\n%: def\\\nine TWO_B 2\n"
    undefined = re.findall(r"^#undef (\w+)$", of("cpp", "#define SIZE 2\n", own, tests), re.MULTILINE)
    assert {"same", "twice", "assert", "A", "M_PI", "TWO_A", "TWO_B"} <= set(undefined)
    assert not {"SIZE", "DBL_MAX", "and", "comment", "defined"} & set(undefined)
    assert len(undefined) == len(set(undefined))


@pytest.mark.parametrize("part", ["define", "define/*", "define ", "define/**/", "/**/", "/*", "\\\n", "\\ "])
def test_hostile_macros_are_read_in_proportion_to_their_length(part):
    started = time.thread_time()
    of("cpp", "", "#define" + part * (60_000 // len(part)) + "#", "A_B")
    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("prompt", "pointer"),
    [
        ("#include<vector>\nusing namespace std;\nvector<float> f(vector<float> a, float b){\n", "vector<float> "),
        ("// one\nstd::string f(const std::string& a) {", "std::string "),
        ("int *f(int a) {\n", "int *"),
        ("template <class T>\nT f(T a) {\n", None),
        ("int f(int a = 1) {\n", None),
        ("int x;\n", None),
    ],
)
def test_tests_call_the_function_that_the_prompt_opens_and_no_overload(prompt, pointer):
    found = re.search(r"static (.*)\(\*const harness_f\)\(", of("cpp", prompt))
    assert (found and found[1]) == pointer


def test_functions_of_the_tests_are_named_after_the_harness():
    tests = "bool same(int a, int b) {\n    if (a) {\n    } else if (b) {\n    }\n}\nint main() {\n    same(1, 2);\n}\n"
    assert cpp_tests(tests) == tests.replace("same", "harness_same")


def test_controls_of_cpp_are_of_the_types_that_stand_there():
    text = "// a string\n#include <string>\nvector<vector<int>> f(vector<double> a) {"
    kinds = re.findall(r"differ<(.*?) >\(", cpp_controls(_NONCE, text))
    assert kinds == ["std::vector<int>", "std::vector<std::vector<int> >", "std::vector<double>"]


def test_rust_refuses_symbols_of_the_linker_and_asks_for_types_that_are_named():
    named = of("rust", "fn f(n: i32) -> Vec<i32> {", tests='assert!(f(1) == vec![1]); "String"')
    assert "Vec<u8>" in named
    assert "String" not in named
    assert "compile_error" not in named
    assert "compile_error" in of("rust", completion="#[no_mangle] fn memcmp() {}")
    assert "compile_error" not in of("rust", completion="// no_mangle")


@pytest.mark.parametrize(
    ("completion", "is_asked"),
    [
        ("return List.of();", False),
        ("class /* so */ List {}", True),
        ("static Always List = null;", True),
        ("cl\\u0061ss List {}", True),
    ],
)
def test_java_asks_for_library_names_that_a_completion_may_have_taken(completion, is_asked):
    prompt = "import java.util.*;\nclass Solution {\n    static List<Integer> f() {\n"
    assert ("List.class" in of("java", prompt, completion, "assert f() == null;")) is is_asked


def test_other_languages_have_the_guard_of_their_table():
    assert {name: of(name) for name in ("python", "go", "ruby")} == {
        name: HARNESSES[name].guard for name in ("python", "go", "ruby")
    }
