"""Python functions become tasks for any language where every value has a plain form in a line, and else none."""

import gzip
import json
import os
import textwrap

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.practice.functions import function_tasks

SOURCE = '''
def scale(numbers, by, exact):
    """Write a python function that scales numbers.

    >>> scale([1, 2.5], 2, True)
    [2, 5.0]
    >>> scale([], 3, False)
    []
    """
    return [n * by for n in numbers]

def head(words: list[str]) -> str:
    """The first word, or nothing.

    Sound only for lists.
    """
    return words[0]

assert head(["b", "a"]) == "b"
assert head(["b", "a"]) != "a"
assert head(sorted(["b", "a"])) == "a"
assert other(["x"]) == "x"

def nested(rows):
    """Of rows.

    >>> nested([[1], [2]])
    3
    """

def long(n):
    """A third.

    >>> long(1.0)
    0.3333333333333333
    """

def huge(n):
    """A whole number that is long as one with a point.

    >>> huge(1.5)
    True
    >>> huge(1000000000)
    True
    """

def two_lines(text):
    """Of a text.

    >>> two_lines("a b ")
    2
    """

def undocumented(n):
    return n

def broken_doctest(n):
    """>>> broken_doctest(1)
  1
    """
'''


@pytest.fixture
def source(tmp_path):
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "deep" / "some.py").write_text(SOURCE)
    (tmp_path / "lib" / "bad.py").write_text("def (")
    return tmp_path / "lib"


def test_functions_of_a_folder_are_posed_where_their_values_are_plain(source):
    posed, num_left_out = function_tasks(str(source), ["perl", "r"])
    assert num_left_out == 5
    assert [(task.id, task.language) for task in posed] == [
        (name, language) for name in ("deep/some/scale", "deep/some/head") for language in ("perl", "r")
    ]
    scale, head = posed[0], posed[2]
    assert json.loads(scale.tests) == [["1.0 2.5\n2\ntrue\n", "2.0 5.0\n"], ["\n3\nfalse\n", "\n"]]
    assert scale.prompt == textwrap.dedent("""\
        # Write a function that scales numbers.
        #
        # Line 1: numbers, numbers separated by spaces.
        # Line 2: by, a whole number.
        # Line 3: exact, true or false.
        # Print the result: numbers separated by spaces.
        #
        # Of the input
        # 1.0 2.5
        # 2
        # true
        # print
        # 2.0 5.0
        #
        # The program reads standard input and prints to standard output.

        """)
    assert json.loads(head.tests) == [["b a\n", "b\n"]]
    assert head.extra["solution"].startswith("def head(words: list[str]) -> str:")


def test_assertions_of_other_files_count_for_a_name_that_the_folder_defines_once(source):
    (source / "plain.py").write_text('def twice(n):\n    """Twice n."""\ndef odd(n):\n    """Of n."""\n')
    test_of = "def test():\n    assert {} == {}\n"
    tests = [("twice(2)", 4), ("twice(2.5)", 5.0), ("odd(1)", 2), ("head(['c'])", "'c'"), ("scale([1], 2)", [2])]
    (source / "test_all.py").write_text("".join(test_of.format(*one) for one in tests))
    (source / "test_odd.py").write_text("def odd(n):\n    return n\n" + test_of.format("odd(3)", 3))
    posed, num_left_out = function_tasks(str(source), ["perl"])
    found = {task.id: json.loads(task.tests) for task in posed}
    assert list(found) == ["deep/some/scale", "deep/some/head", "plain/twice"]
    assert (len(found["deep/some/scale"]), num_left_out) == (2, 6), "a call that lacks an argument spoils nothing"
    assert found["deep/some/head"] == [["b a\n", "b\n"], ["c\n", "c\n"]]
    assert found["plain/twice"] == [["2.0\n", "4.0\n"], ["2.5\n", "5.0\n"]]


@pytest.mark.parametrize(
    "other",
    [
        "from math import twice\n",
        "from plain import odd as twice\n",
        "async def twice(n):\n    return n\n",
        "class twice:\n    pass\n",
        "twice = abs\n",
    ],
)
def test_assertions_of_other_files_do_not_count_where_the_name_may_be_anothers(tmp_path, other):
    (tmp_path / "plain.py").write_text('def twice(n):\n    """Twice n.\n\n    >>> twice(1)\n    2\n    """\n')
    (tmp_path / "test_plain.py").write_text("from plain import twice\nassert twice(2) == 4\n")
    (tmp_path / "other.py").write_text(other + "assert twice(-3) == 3\n")
    ((task,), _) = function_tasks(str(tmp_path), ["perl"])
    assert json.loads(task.tests) == [["1\n", "2\n"]]
    (tmp_path / "other.py").unlink()
    ((task,), _) = function_tasks(str(tmp_path), ["perl"])
    assert json.loads(task.tests) == [["1\n", "2\n"], ["2\n", "4\n"]]


def test_a_benchmark_in_python_is_read_with_its_solutions_and_clusters(tmp_path):
    row = {"task_id": "MBPP/7", "language": "python", "entry_point": "twice"}
    row |= {"prompt": 'def twice(n):\n    """Twice n."""\n', "canonical_solution": "    return 2 * n"}
    row |= {"test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(n=3) == 6\n"}
    with gzip.open(tmp_path / "mbpp.jsonl.gz", "wt") as file:
        file.write(json.dumps(row) + "\n")
    ((task,), num_left_out) = function_tasks(f"mbxp:{tmp_path / 'mbpp.jsonl.gz'}", ["perl"])
    assert (task.key, task.cluster, num_left_out) == ("mbpp/perl/MBPP/7", "MBPP/7", 0)
    assert (json.loads(task.tests), task.extra["solution"][-12:]) == ([["2\n", "4\n"]], "return 2 * n")


def test_where_none_can_be_posed_that_is_an_error(tmp_path):
    (tmp_path / "none.py").write_text("def f(n):\n    '''Of n.'''\n")
    with pytest.raises(ConfigError, match=r"none\.py holds no documented function"):
        function_tasks(str(tmp_path / "none.py"), ["perl"])


def test_tasks_are_named_after_the_folder_however_it_is_spelt(source, monkeypatch):
    monkeypatch.chdir(source)
    assert function_tasks(".", ["lua"])[0][0].key == "lib/lua/deep/some/scale"


def test_what_is_no_file_to_read_is_refused_and_left_out_of_folders(tmp_path, source):
    os.mkfifo(source / "waits.py")
    (source / "folder.py").mkdir()
    assert function_tasks(str(source), ["perl"])[0]
    for spec, said in (
        ("", "functions: names nothing"),
        (str(source / "waits.py"), r"waits\.py is no file"),
        (str(source / "gone.py"), r"gone\.py is no file"),
        (str(source / "gone"), "gone is not there; name a .py file, a folder, or a benchmark"),
        (str(source / "bad.py"), r"bad\.py cannot be parsed as Python \(invalid syntax \(bad\.py, line 1\)\)"),
    ):
        with pytest.raises(ConfigError, match=said):
            function_tasks(spec, ["perl"])


@pytest.mark.parametrize(
    "tests",
    [
        "def test():\n    with raises(AssertionError):\n        assert twice(2) == 5\n",
        "@mark.xfail\ndef test():\n    assert twice(2) == 5\n",
        "if False:\n    assert twice(2) == 5\n",
        "def test(twice):\n    assert twice(2) == 5\n",
        "def test():\n    def twice(n):\n        return n\n    assert twice(2) == 5\n",
    ],
)
def test_an_assertion_that_does_not_say_what_the_function_answers_is_no_case(tmp_path, tests):
    source = 'def twice(n):\n    """Twice n.\n\n    >>> twice(1)\n    2\n    """\n    return 2 * n\n\n'
    (tmp_path / "some.py").write_text(source + tests + "for one in [2]:\n    assert twice(3) == 6\n")
    ((task,), _) = function_tasks(str(tmp_path), ["perl"])
    assert json.loads(task.tests) == [["1\n", "2\n"], ["3\n", "6\n"]]


def test_an_expression_of_any_depth_is_read_past(tmp_path):
    source = 'def twice(n):\n    """Twice n."""\n    return 2 * n\n\nassert twice(1) == 2\n'
    (tmp_path / "some.py").write_text(f"{source}many = {' + '.join(['1'] * 1_500)}\n")
    ((task,), _) = function_tasks(str(tmp_path), ["perl"])
    assert json.loads(task.tests) == [["1\n", "2\n"]]


def test_directives_of_doctests_are_read_and_what_is_printed_or_contradicts_itself_is_no_answer(tmp_path):
    examples = ">>> f(1)  # doctest: +NORMALIZE_WHITESPACE\n    2\n    >>> f(5)  # doctest: +SKIP\n    9\n"
    bodies = {"returns": "return n", "prints": "print(n)", "counts": "return n"}
    for name, body in bodies.items():
        again = "    >>> f(1)\n    3\n" if name == "counts" else ""
        source = f'def f(n):\n    """Of n.\n\n    {examples}{again}    """\n    {body}\n'
        (tmp_path / f"{name}.py").write_text(source)
    ((task,), num_left_out) = function_tasks(str(tmp_path), ["perl"])
    assert (task.id, json.loads(task.tests), num_left_out) == ("returns/f", [["1\n", "2\n"]], 2)
