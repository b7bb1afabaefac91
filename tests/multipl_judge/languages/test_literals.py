"""Values as literals: types read from signatures, and what no type can hold; forms/test_calling.py runs them."""

import pytest

from multipl_judge.languages.literals import call, parameter_types


@pytest.mark.parametrize(
    ("language", "prompt", "types"),
    [
        ("rust", "// f(no)\nfn f<T: Ord>(a: &mut Vec<T>, b: Box<F>) {", ["&mut Vec<T>", "Box<F>"]),
        ("rust", "fn f(b: impl Fn(i32, i32) -> i32) {", ["impl Fn(i32, i32) -> i32"]),
        ("go", "func f(a, b int, c map[string]int) {", ["int", "int", "map[string]int"]),
        ("java", "static int f(final int[] a, Map<String, Set<T>> b) {", ["int[]", "Map<String, Set<T>>"]),
        ("cpp", "int f(const map<int, int>& a, int b = 3) {", ["const map<int, int>&", "int"]),
        ("cpp", "int f() {", []),
    ],
)
def test_types_are_read_from_the_signature(language, prompt, types):
    assert parameter_types(prompt, "f", language) == types


@pytest.mark.parametrize(
    ("language", "value", "kind"),
    [
        *(("rust", value, kind) for value, kind in ((1, "bool"), (True, "i32"), ([1], "i32"), ([1], "(i32, i32)"))),
        *(("go", value, kind) for value, kind in (("a", "int"), ([1], "*int"), ([[1]], "[]any"), (None, "int"))),
        *(("java", value, kind) for value, kind in ((0.5, "int"), ([1], "Object"), (None, "int"), ("ab", "char"))),
        ("cpp", [1], "int a[]"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(language, value, kind):
    with pytest.raises(ValueError, match="cannot be written as"):
        call("f", [value], [kind], language)


def test_a_case_has_as_many_arguments_as_the_function():
    with pytest.raises(ValueError, match="f has 1 parameters, a case 2 arguments"):
        call("f", [1, 2], ["int"], "go")
    with pytest.raises(ValueError, match="no signature of f"):
        parameter_types("int g(int n) {", "f", "cpp")
