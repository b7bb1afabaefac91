"""What stands between completion and tests; whether it holds is seen by tests/multipl_judge/judge/evil."""

import re
import time

import pytest

from multipl_judge.languages.guards import guard
from multipl_judge.languages.program import Nonce

_NONCE = Nonce(1, 2)


def of(language: str, prompt: str = "", completion: str = "", tests: str = "") -> str:
    """The guard of a program."""
    return guard(language, _NONCE, prompt=prompt, completion=completion, tests=tests)


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
