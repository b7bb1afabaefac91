import time

import pytest

from multipl_judge.problems.forms.go_file import go_file, with_harness_imports, with_imports


def imported(source: str) -> str:
    return source.partition("func")[0]


def test_imports_are_those_that_the_code_uses():
    source = 'package main\n\nimport (\n\t"math"\n\t"sort"\n)\n\nfunc f() { sort.Ints(nil) }\n'
    assert '"sort"' in imported(go_file(source))
    assert '"math"' not in imported(go_file(source))


def test_common_packages_need_no_declaration_and_words_in_comments_and_strings_are_no_use():
    source = 'func f() string { return strings.ToUpper("fmt.Println") } // math.Abs\n'
    head = imported(go_file(source))
    assert "package main" in head
    assert '"strings"' in head
    assert '"fmt"\n\t"' not in head.replace('harnessfmt "fmt"', "")
    assert '"math"' not in head


def test_an_alias_counts_by_its_name():
    source = 'package p\nimport str "strings"\nfunc f() { str.ToUpper("") }\n'
    assert 'str "strings"' in imported(go_file(source))
    assert go_file(source).startswith("package p\n")


@pytest.mark.parametrize(
    "code",
    [
        "func f() {\n\tbytes := g()\n\tbytes.x = 1\n}\n",
        "func f() {\n\ta, bytes := g(), h()\n\tbytes.Len()\n}\n",
        "func f() {\n\tfor _, bytes := range g() {\n\t\tbytes.Len()\n\t}\n}\n",
        "func f(bytes []T) {\n\tbytes.Len()\n}\n",
        "func f(a, bytes interface{}) int {\n\treturn bytes.Len()\n}\n",
        "func f() {\n\tbytes.Len()\n}\n\nvar bytes = g()\n",
    ],
)
def test_a_variable_named_like_a_package_is_no_use_of_it(code):
    assert '"bytes"' not in imported(go_file(code))


@pytest.mark.parametrize(
    "code",
    [
        "func f() {\n\tbytes := bytes.Split(x, y)\n\tg(bytes)\n}\n",
        "func f() {\n\tvar bytes bytes.Buffer\n\tbytes.Len()\n}\n",
        "func f(bytes []T) {\n\tbytes.Len()\n}\n\nfunc h() {\n\tbytes.Split(x, y)\n}\n",
        "func (b T) f(\n\ta []T,\n) { g(bytes.Split) }\n",
    ],
)
def test_a_package_is_used_beside_variables_of_its_name(code):
    assert '"bytes"' in imported(go_file(code))


def test_a_package_of_the_tests_is_imported_whatever_a_completion_calls_by_its_name():
    tests = 'import "math/rand"\nfunc g() { bytes.Len(rand.Int()) }\n'
    source = f'package p\nimport bytes "strings"\nvar sort = 1\nvar bytes = f\n{tests}'
    assert '"bytes"' not in imported(go_file(source))
    found = imported(go_file(source.replace('import bytes "strings"\n', ""), tests=tests))
    assert '"bytes"' in found
    assert '"math/rand"' in found
    assert '"sort"' not in found


def test_a_package_clause_in_a_comment_is_none():
    source = "/*\npackage of words\n*/\npackage p\n\nfunc f() {}\n"
    assert go_file(source).startswith("package p\n")
    assert with_harness_imports(source).startswith("package p\n\nimport (")


def test_hostile_imports_are_read_in_proportion_to_their_length():
    started = time.thread_time()
    go_file(f"package main\n\nimport (\n{' ' * 60_000}\n)\n")
    assert time.thread_time() - started < 2


_PROMPT = "package main\n\n// f is a root, and says math.Abs in words.\nfunc f(n float64) float64 {\n"


def test_a_prompt_gets_the_imports_that_its_completion_uses():
    rest = "\treturn math.Sqrt(n) + float64(len(strings.Repeat(`os.Exit`, 2)))\n}\n"
    imports = 'import (\n\t"math"\n\t"strings"\n)\n'
    assert with_imports(_PROMPT, rest) == _PROMPT.replace("main\n", f"main\n\n{imports}", 1)


_ROOT = "\treturn math.Sqrt(n)\n}\n"


@pytest.mark.parametrize(
    ("prompt", "rest"),
    [
        (_PROMPT, "\treturn n\n}\n"),
        (_PROMPT.replace("main\n", 'main\n\nimport "fmt"\n'), _ROOT),
        (_PROMPT, f'\t_ = `\nimport "fmt"\n`\n{_ROOT}'),
    ],
)
def test_a_prompt_that_needs_no_import_stays_as_it_is_and_so_where_there_are_some(prompt, rest):
    assert with_imports(prompt, rest) == prompt
