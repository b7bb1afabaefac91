import time
from dataclasses import replace
from typing import Any

import pytest

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.extract import completion_of_answer, continuation_of_answer
from multipl_judge.problems.problem import Problem
from tests.multipl_judge.problems.translated import TRANSLATED, WHOLE_FILES

# Whole functions, as chat models write them: with the prompt again, helpers, and tests or a main of their own.
ANSWERS = {
    "python": "import math\n\ndef add(a, b):\n    return a + b\n\ndef twice(n):\n    '''Twice n.'''\n"
    "    return math.floor(add(n, n))\n\nprint(twice(3))\nassert twice(2) == 4\n",
    "ruby": "require 'set'\ndef add(a, b)\n  a + b\nend\n\n# Twice n.\ndef twice(n)\n\n  add(n, n)\nend\n\n"
    "puts twice(2)\n",
    "rust": "fn add(a: {int}, b: {int}) -> {int} {{\n    a + b\n}}\n\n"
    "/// Twice n.\nfn twice(mut n: {int}) -> {int} {{\n"
    "    n = add(n, n);\n    n\n}}\n\nfn main() {{\n    assert_eq!(twice(2), 4);\n}}\n\n"
    "#[cfg(test)]\nmod tests {{\n    #[test]\n    fn a() {{}}\n}}\n",
    "java": "import java.util.*;\n\nclass {name} {{\n    private static int one() {{\n        return 1;\n    }}\n\n"
    "    public static long twice(long n) {{\n        return add(n, n) * one();\n    }}\n\n"
    "    static long add(long a, long b) {{\n        return a + b;\n    }}\n\n"
    "    public static void main(String[] args) {{\n        System.out.println(twice(2));\n    }}\n}}\n",
    "cpp": "#include <vector>\nusing namespace std;\n\nlong add(long a, long b) {\n    return a + b;\n}\n\n"
    "long twice(long n) {\n    if (n == 0) {\n        return 0;\n    }\n    return add(n, n);\n"
    "}\n\nint main() {\n    return twice(2) == 4 ? 0 : 1;\n}\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc add(a, b int) int {\n\treturn a + b\n}\n\nfunc twice(n int) int {\n'
    "\treturn add(n, n)\n}\n\nfunc main() {\n\tfmt.Println(twice(2))\n}\n",
    **{language: one.answer for language, one in TRANSLATED.items()},
}


def answer(name: str) -> str:
    form, language = name.split("-")
    text = ANSWERS[language]
    if language == "rust":
        text = text.format(int="isize" if form == "multipl_e" else "i64" if form == "starter" else "i32")
    if language == "java":
        text = text.format(name="Problem")
    if form == "humaneval_x" and language == "go":
        text = text.replace("twice", "Twice")
    return f"Sure! Use it like `twice(2)`:\n\n```{language}\n{text}```\n\nThis doubles **n**.\n\n```\n4\n```\n"


WHOLE_FUNCTIONS = [
    *("human_eval-python", "mbpp-python", "mbxp-ruby", "humaneval_x-rust", "humaneval_x-go", "starter-go"),
    *(f"multipl_e-{language}" for language in ("ruby", "rust", "java", "cpp", *TRANSLATED)),
]


@pytest.mark.parametrize("name", WHOLE_FUNCTIONS)
def test_a_whole_function_in_a_chat_answer_passes(name, samples, judged):
    problem = samples[name]
    completion = completion_of_answer(problem, answer(name))
    judgement = judged(problem, completion)
    assert judgement.outcome == Outcome.passed, f"{completion}\n{judgement.output}"


BRINGS_IMPORTS = {
    "go": 'package main\n\nimport (\n\t"fmt"\n\tstr "strings"\n\t"container/list"\n\t"testing"\n)\n\n'
    "func twice(n int) int {\n\ttwo := list.New()\n\tfor i := 0; i < 2*n; i++ {\n\t\ttwo.PushBack(str.Repeat"
    '("a", i))\n\t}\n\treturn two.Len()\n}\n\nfunc TestTwice(t *testing.T) {}\n\n'
    "func main() {\n\tfmt.Println(twice(2))\n}\n",
    "java": "// import java.nothing.*;\nimport java.util.*;\nimport java.util.function.*;\nimport org.junit.Test;\n"
    "import org.junit.*;\nimport static java.lang.Math.abs;\n\npublic class Solution {\n"
    "    public static long twice(long n) {\n        IntUnaryOperator two = m -> 2 * m;\n"
    "        return two.applyAsInt((int) n) + 0 * abs(0);\n    }\n}\n",
}


@pytest.mark.parametrize("name", ["multipl_e-go", "starter-go", "humaneval_x-go", "multipl_e-java", "starter-java"])
def test_an_answer_brings_the_imports_that_it_needs_and_no_others(name, samples, judged):
    language = name.partition("-")[2]
    code = BRINGS_IMPORTS[language].replace("twice", "Twice" if name == "humaneval_x-go" else "twice")
    completion = completion_of_answer(samples[name], f"So:\n```{language}\n{code}```\n")
    assert '"fmt"' not in completion
    assert "org.junit" not in completion
    judgement = judged(samples[name], completion)
    assert judgement.outcome == Outcome.passed, f"{completion}\n{judgement.output}"


# Helpers whose lines a prompt may have in its words, and what no method of Ruby may hold.
BRINGS_HELPERS = {
    "multipl_e-rust": "fn sum(a: isize, n: isize) -> isize {\n    if a == 0 {\n        n\n    } else {\n        a + n\n"
    "    }\n}\n\nfn twice(n: isize) -> isize {\n    sum(n, n)\n}\n",
    "multipl_e-cpp": "long sum(long a, long n)\n{\n    a += n;\n    return a;\n}\n\nlong twice(long n)\n{\n"
    "    return sum(n, n);\n}\n",
    "multipl_e-java": "class Solution\n{\n    static long sum(long a, long n)\n    {\n        a += n;\n"
    "        return a;\n"
    "    }\n\n    public static long twice(long n)\n    {\n        return sum(n, n);\n    }\n}\n",
    "multipl_e-go": "package main\n\nvar two = 3\n\nfunc sum(a int, n int) int {\n\ttwo--\n\ta += n\n\treturn a\n}\n\n"
    "func twice(n int) int {\n\treturn sum(n, n) / two * 2\n}\n",
    "multipl_e-ruby": "TWO = 2\n\nclass Sum\n  def of(a, n) = a + n\nend\n\n"
    "def twice(n)\n  Sum.new.of(n, n) / 2 * TWO\nend\n",
    "mbxp-ruby": "TWO = 2\n\ndef twice(n)\n  n * TWO\nend\n\nputs twice(3)\n",
    "starter-ruby": "def sum(a, n) = a + n\ndef twice(n) = sum(n, n)\n",
}


@pytest.mark.parametrize("name", BRINGS_HELPERS)
def test_helpers_stay_whole_whatever_words_the_prompt_has(name, samples, judged):
    words = "Twice n: a += n; return a; then two-- { } a, n"
    problem = samples[name]
    marks = {"ruby": "#", "go": "//", "rust": "//", "cpp": "//", "java": "//"}
    text = problem.prompt
    head, package, rest = text.partition("package main\n") if "package main" in text else ("", "", text)
    posed = replace(problem, prompt=f"{head}{package}{marks[problem.language]} {words}\n{rest}")
    completion = completion_of_answer(posed, f"```{problem.language}\n{BRINGS_HELPERS[name]}```")
    judgement = judged(posed, completion)
    assert judgement.outcome == Outcome.passed, f"{completion}\n{judgement.output}"


def test_a_helper_that_the_prompt_brings_is_not_brought_again(samples, judged):
    helper = "fn sum(a: i32, n: i32) -> i32 {\n    a + n\n}\n"
    posed = replace(samples["humaneval_x-rust"], prompt=f"{helper}\n{samples['humaneval_x-rust'].prompt}")
    code = f"// Sums.\n{helper}\nfn twice(n: i32) -> i32 {{\n    sum(n, n)\n}}\n"
    judgement = judged(posed, completion_of_answer(posed, f"```rust\n{code}```"))
    assert judgement.outcome == Outcome.passed, judgement.output


OTHER_DEFINITIONS = {
    "multipl_e-r": "twice <- \\(n) 2 * n\n",
    "multipl_e-racket": "#lang racket\n(define/match (twice n)\n  [(n) (* 2 n)])\n",
    "multipl_e-ocaml": "let rec add a b = a + b\nand twice n = add n n\n",
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_whole_file_in_an_answer_passes(name, samples, judged):
    problem = samples[name.replace("own-", "multipl_e-")]
    completion = completion_of_answer(problem, f"```\n{WHOLE_FILES[name]}```")
    judgement = judged(problem, completion)
    assert judgement.outcome == Outcome.passed, f"{completion}\n{judgement.output}"


@pytest.mark.parametrize("body", ["", "  NULL\n", "  logical(0)\n"])
def test_a_result_without_values_is_equal_to_nothing_in_r(body, samples, judged):
    assert judged(samples["starter-r"], f"{body}}}\n").outcome == Outcome.wrong_answer


def test_classes_and_packages_of_a_program_do_not_matter_in_r(samples, judged):
    body = "  2 * n\n}\nsetClass('A', representation(x = 'numeric'))\nlibrary(tools)\n"
    body += "setMethod('show', 'A', function(object) cat('a'))\n"
    assert judged(samples["starter-r"], body).outcome == Outcome.passed


def test_a_helper_that_the_tests_call_stands_outside_the_function_in_rust(samples, judged):
    problem = samples["humaneval_x-rust"]
    posed = replace(problem, tests=problem.tests.replace("use super::*;", "use super::*;\n    use super::half;"))
    posed = replace(posed, tests=posed.tests.replace("twice(2)", "twice(half(4))"))
    code = (
        "use std::collections::HashMap;\n\nfn half(n: i32) -> i32 {\n    n / 2\n}\n\n"
        "fn twice(mut n: i32) -> i32 {\n    let _: HashMap<i32, i32> = HashMap::new();\n    n += n;\n    n\n}\n"
    )
    assert posed.tests != problem.tests
    judgement = judged(posed, completion_of_answer(posed, f"```rust\n{code}```"))
    assert judgement.outcome == Outcome.passed, judgement.output


RUBY_WHOLES = [
    "def twice(n)\n  add(n, n)\nend\n\ndef add(a, b)\n  a + b\nend\n\nputs twice(2)\n",
    "def twice(n)\n  n * FACTOR\nend\nFACTOR = 2\n",
    "def twice(n)\n  n * FACTORS[:two]\nend\nFACTORS = {\n  two: 2,\n}.freeze\n",
    "def twice(n, memo = {})\n  memo[n] ||= n * 2\nend\n",
    "def twice(num)\n  num * 2\nend\n",
    "def twice n # of a number\n  n * 2\nend\n",
    "def twice(n)\n  Pair.new(n).sum + one\nend\nPair = Struct.new(:n) do\n  def sum = 2 * n\nend\ndef one = 0\n",
    "def twice(n)\n  Error if n < 0\n  n * 2\nend\nclass Error < StandardError; end\n"
    "class TestTwice < Minitest::Test\n  def test_it\n    assert_equal 4, twice(2)\n  end\nend\n",
]


@pytest.mark.parametrize("name", ["mbxp-ruby", "multipl_e-ruby", "starter-ruby", "calls-ruby"])
@pytest.mark.parametrize("code", RUBY_WHOLES)
def test_what_ruby_defines_below_the_function_and_other_arguments_stay(name, code, samples, judged):
    judgement = judged(samples[name], completion_of_answer(samples[name], f"```ruby\n{code}```"))
    assert judgement.outcome == Outcome.passed, judgement.output


COUNTER = """\
use std::collections::HashMap;

struct Counter {
    counts: HashMap<i32, i32>,
}
impl Counter {
    fn new() -> Self {
        Counter { counts: HashMap::new() }
    }
}
fn half(n: i32) -> i32 {
    n / 2
}
fn twice(n: i32) -> i32 {
    let mut counter = Counter::new();
    counter.counts.insert(0, n);
    counter.counts[&0] * 2
}
"""


@pytest.mark.parametrize("tested", ["Vec::<i32>::new(), Vec::<i32>::new()", "half(4), 2", "super::half(4), 2"])
def test_types_keep_their_imports_whatever_the_tests_call_in_rust(tested, samples, judged):
    problem = samples["humaneval_x-rust"]
    tests = problem.tests.replace(
        "use super::*;", "use super::*;\n    use super::half;" * ("half" in tested) or "use super::*;"
    )
    assert "assert_eq!(" in tests
    posed = replace(problem, tests=tests.replace("assert_eq!(", f"assert_eq!({tested});\n        assert_eq!(", 1))
    for prompt in (problem.prompt, f"use std::collections::HashMap;\n{problem.prompt}"):
        posed = replace(posed, prompt=prompt)
        judgement = judged(posed, completion_of_answer(posed, f"```rust\n{COUNTER}```"))
        assert judgement.outcome == Outcome.passed, judgement.output


@pytest.mark.parametrize(("fence", "inner"), [("~~~", "```"), ("````", "```"), ("```", "~~~")])
def test_a_fence_ends_with_its_own_mark(fence, inner, samples):
    code = f'def twice(n):\n    return 2 * n\n\n\nNOTE = """\n{inner}\n"""\n'
    answer = f"So:\n{fence}python\n{code}{fence}\nDone.\n"
    assert completion_of_answer(samples["starter-python"], answer).endswith(code)


def test_a_line_of_tildes_below_a_heading_is_no_fence(samples, judged):
    code = 'def add(a, b):\n    """Add.\n\n    Notes\n    ~~~~~\n    None.\n    """\n    return a + b\n\n\n'
    code += "def twice(n):\n    return add(n, n)\n"
    for text in (code, f"Notes\n~~~~~\n\n```python\n{code.replace('~', '-')}```\n"):
        completion = completion_of_answer(samples["human_eval-python"], text)
        assert judged(samples["human_eval-python"], completion).outcome == Outcome.passed


def test_a_block_of_markdown_is_read_for_those_in_it(samples):
    code = "def twice(n):\n    return 2 * n\n"
    answer = f"````markdown\nSo:\n```python\n{code}```\nDone.\n````\n"
    assert completion_of_answer(samples["starter-python"], answer).endswith(code)


@pytest.mark.parametrize("future", ["(\n    annotations,\n)\n", "annotations  # a; b\n", "annotations; "])
def test_a_future_import_is_left_out_alone(future, samples, judged):
    code = f"from __future__ import {future}import math\n\n\ndef twice(n):\n    return math.floor(2 * n)\n"
    completion = completion_of_answer(samples["human_eval-python"], f"```python\n{code}```")
    assert judged(samples["human_eval-python"], completion).outcome == Outcome.passed


@pytest.mark.parametrize("name", OTHER_DEFINITIONS)
def test_a_function_is_found_in_whatever_form_its_language_has(name, samples, judged):
    judgement = judged(samples[name], completion_of_answer(samples[name], f"```\n{OTHER_DEFINITIONS[name]}```"))
    assert judgement.outcome == Outcome.passed, judgement.output


@pytest.mark.parametrize("language", ["python", "ruby"])
def test_a_block_in_a_list_is_moved_to_the_margin_and_drafts_of_thought_are_no_answer(language, samples, judged):
    problem = samples[f"starter-{language}"]
    wrong, right = (
        f"def twice(n)\n  {times} * n\nend\n" if language == "ruby" else f"def twice(n):\n    return {times} * n\n"
        for times in (3, 2)
    )
    block = f"```{language}\n{right}```\n"
    listed = "1. So:\n\n" + "".join(f"   {line}\n" for line in block.splitlines())
    for answer in (listed, f"<think>\n```{language}\n{wrong}```\nNo.\n</think>\n\n{block}"):
        judgement = judged(problem, completion_of_answer(problem, answer))
        assert judgement.outcome == Outcome.passed, judgement.output


def test_braces_in_the_types_of_a_signature_in_go_open_no_body():
    signature = "func f(a interface{}, b []struct{ n int }) []interface{} {\n"
    posed = Problem("mine", "f", "go", f"package main\n\n{signature}", "", "starter", ("\n}",))
    body = "\treturn []interface{}{a, b, struct{}{}}\n"
    assert completion_of_answer(posed, f"```go\npackage main\n\n{signature}{body}}}\n```").strip() == body.strip()


def test_what_passes_in_ruby_after_a_failing_function_is_nothing_to_learn():
    posed = Problem("mine", "double", "ruby", "# Twice n.\ndef double(n)\n", "", "starter", ("\nend",))
    for code in ("TWO = 2\ndef double(n)\n  TWO * n\nend\n", "def double(n) = 2 * n\n"):
        assert continuation_of_answer(posed, f"```ruby\n{code}```") is None


def test_a_string_with_what_only_python_takes_for_no_line_break_stays_whole(samples):
    code = 'def twice(n):\n    return 2 * n + len("\x0c\x85\u2028") - 3\n\n\nprint(twice(3))\n'
    problem = samples["starter-python"]
    assert effective(problem, completion_of_answer(problem, code))(4) == 8


def effective(problem: Problem, completion: str) -> Any:
    """The function that a program of prompt and completion holds in Python."""
    names: dict[str, Any] = {}
    exec(problem.prompt + completion, names)
    return names["twice"]


CODE = "def twice(n):\n    return 2 * n"
MORE_BLOCKS = "```bash\npip install x\n```\n```python\nprint(twice(2))\n```\n"


@pytest.mark.parametrize("text", [CODE, f"Here:\n```python\n{CODE}", f"{MORE_BLOCKS}```python\n{CODE}\n```\n"])
def test_plain_code_an_unfinished_block_and_of_several_the_one_with_the_function_are_read(text, samples):
    problem = samples["starter-python"]
    assert effective(problem, completion_of_answer(problem, text))(4) == 8


def test_of_several_definitions_in_python_the_last_counts(samples):
    code = 'def twice(n):\n    """Twice n."""\n\n\ndef twice(number):\n    return 2 * number\n'
    problem = samples["human_eval-python"]
    assert effective(problem, completion_of_answer(problem, code))(number=4) == 8


def test_helpers_keep_their_decorators_and_settings_their_place(samples):
    code = (
        "from __future__ import annotations\nimport sys\nfrom functools import lru_cache\n"
        "sys.setrecursionlimit(1234)\n\n@lru_cache(\n    maxsize=None,\n)\ndef fold(n):\n    return n\n\n"
        "def twice(n):\n    return fold(n) + n + 0 * fold.cache_info().currsize\n\nprint(1 / 0)\n"
    )
    completion = completion_of_answer(samples["starter-python"], code)
    assert "setrecursionlimit" in completion
    assert effective(samples["starter-python"], completion.replace("sys.setrecursionlimit(1234)", ""))(4) == 8


@pytest.mark.parametrize("tail", ["-" * 100_000 + "1", "1" + " + 1" * 20_000])
def test_what_the_parser_cannot_hold_is_code_that_does_not_parse(tail, samples):
    code = f"def twice(n):\n    return {tail}"
    assert completion_of_answer(samples["starter-python"], code).endswith(code)
    assert completion_of_answer(samples["mbpp-python"], f"x = {tail}") == f"x = {tail}"


def test_a_name_with_a_mark_is_found_in_its_block():
    posed = Problem("x", "1", "ruby", "def even?(n)\n", "", "starter", ())
    text = "```\ngem install x\n```\n```ruby\ndef even?(n)\n  n % 2 == 0\nend\n```\n"
    assert completion_of_answer(posed, text) == "  n % 2 == 0"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("rust", "fn twice(n: i64) -> i64 {\n    2 * n\n}\n" + "fn main() {}\n" * 20_000),
        ("rust", "fn twice(n: i64) -> i64 {\n    2 * n\n}\n" + "fn main() " * 20_000),
        ("cpp", "int twice(" * 30_000),
        ("ruby", "def twice(n)\n" * 20_000),
        ("python", "```" + " " * 200_000 + "`\n"),
        ("python", "```\n" * 50_000),
        ("go", "func twice(" * 30_000),
        ("go", "import (\n" * 20_000 + "func twice(n int) int {\n\treturn 2 * n\n}\n"),
        ("java", "class a\n" * 20_000 + "int twice(int n) {\n    return 2 * n;\n}\n"),
        ("cpp", "int twice(int n) {\n    return 2 * n;\n}\n" + "int f()\n" * 20_000),
        ("cpp", "int twice(int n) {\n    return 2 * n;\n}\n" + "a" * 200_000),
    ],
)
def test_no_answer_takes_long_to_read(language, text, samples):
    """Not even one made for it: what is quadratic takes minutes or hours here."""
    begun = time.process_time()
    completion_of_answer(samples[f"starter-{language}"], text)
    assert time.process_time() - begun < 10


LUA = Problem("mine", "double", "lua", "-- Twice n.\nlocal function double(n)\n", "", "multipl_e", ("\nlocal",))
OCAML, OCAML_ONCE = (
    Problem("mine", "double", "ocaml", f"(* Twice n. *)\nlet {rec}double n =\n", "", "multipl_e", ("\nlet",))
    for rec in ("rec ", "")
)
PYTHON = Problem("mine", "double", "python", 'def double(n):\n    """Twice n."""\n', "", "starter", ("\ndef",))


@pytest.mark.parametrize(
    ("problem", "code", "continuation"),
    [
        (LUA, "-- Twice n.\nlocal function double(n)\n  return 2 * n\nend\n", "  return 2 * n\nend\n"),
        (LUA, "local function double( n ) -- so\n\n  return 2 * n\nend\n", " -- so\n\n  return 2 * n\nend\n"),
        (LUA, "local function double(n) return 2 * n end\nlocal m = 1\n", " return 2 * n end"),
        (LUA, "local function two() return 2 end\nlocal function double(n) return two() * n end\n", None),
        (LUA, "function double(n)\n  return 2 * n\nend\n", "  return 2 * n\nend\n"),
        (LUA, "function double(m)\n  return 2 * m\nend\n", None),
        (OCAML, "let rec double n = 2 * n\n", " 2 * n\n"),
        (OCAML, "let double n =\n  2 * n\n", "  2 * n\n"),
        (OCAML_ONCE, "let rec double n =\n  if n = 0 then 0 else 2 + double (n - 1)\n", None),
        (LUA, "local function double(", None),
        (LUA, "  return 2 * n\nend\n", "  return 2 * n\nend\n"),
        (PYTHON, 'def double(n):\n    """Twice n."""\n    return 2 * n\n', "    return 2 * n\n"),
        (PYTHON, "def double(n):\n    # Two times.\n    return 2 * n\n", "    # Two times.\n    return 2 * n\n"),
        (PYTHON, "def double(m):\n    return 2 * m\n", None),
    ],
)
def test_what_goes_on_from_the_prompt_is_what_is_learnt(problem: Problem, code: str, continuation: str | None):
    answer = f"Sure! Here it is:\n\n```{problem.language}\n{code}```\n\nIt doubles.\n"
    assert continuation_of_answer(problem, answer) == continuation


@pytest.mark.parametrize("name", ["multipl_e-ruby", "multipl_e-rust", "mbpp-python"])
def test_where_a_completion_is_a_body_or_a_module_it_is_that(name: str, samples):
    found = continuation_of_answer(samples[name], answer(name))
    assert found == completion_of_answer(samples[name], answer(name))
