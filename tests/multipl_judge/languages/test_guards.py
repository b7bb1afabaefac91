"""What stands between completion and tests; whether it holds is seen by tests/multipl_judge/judge/evil."""

import re
import time

import pytest

from multipl_judge.languages.guards import cpp_tests, guard
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


@pytest.mark.parametrize(
    ("prompt", "completion", "is_refused"),
    [
        ("fn f() {", "trait A { fn is_none(self); }", True),
        ("", "trait A { fn/**/is_none(self); }", True),
        ("fn f() {", "trait A { fn name(&self); }", True),
        ("", "trait A { fn name(&self); }", False),
        ("trait A { fn name(&self); }", "trait B { fn name(&self); }", False),
        ("fn f() {", "trait A { fn other(&self); } // fn is_none", False),
        ("fn f() {", "// a trait\nstruct A; impl A { fn is_none(&self) {} }", False),
        ("fn f() {", "/* /* */ trait */", True),
    ],
)
def test_rust_refuses_traits_with_methods_that_the_tests_use(prompt, completion, is_refused):
    tests = "assert!(f().is_none() && f().name());"
    assert ("compile_error" in of("rust", prompt, completion, tests)) is is_refused


def test_what_a_cpp_macro_of_the_completion_was_the_prompts_is_again():
    found = of("cpp", "#define MOST 3 + \\\n 4\nint f(int a) {\n", "#define MOST 0\n#define __own(x) x\n", "f(NAN)")
    assert "#undef __own\n" in found
    assert found.index("#define MOST 3 + \\\n 4\n") > found.index("#undef MOST\n")
    assert "#define NAN " in found


@pytest.mark.parametrize(
    ("tests", "is_scoped"),
    [
        ("void tests() {\n    assert(f(1) == 2);\n}\n", True),
        ("int g(int);\nvoid tests() {\n    assert(f(1) == 2);\n}\n", False),
        ("namespace std { struct a; }\nvoid tests() {}\n", False),
    ],
)
def test_cpp_tests_stand_in_a_namespace_unless_that_changes_what_they_mean(tests, is_scoped):
    found = cpp_tests(f"#include <set>\n/* #include <map> */\n{tests}", "int f(int a) {\n")
    assert ("namespace harness_scope {" in found) is is_scoped
    assert "harness_tests() {" in found
    assert "<map>" not in found
    assert found.rindex("#undef assert") > found.index("#include <set>")


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
