import json

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.toolchain import Toolchain
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.own import read_own
from tests.multipl_judge.problems.samples import write_rows

GOOD = {"id": "double", "language": "rust", "prompt": "fn f(n: i64) -> i64 {\n", "tests": "fn tests() {}\n"}


def test_what_is_left_out_comes_from_the_language_and_the_id(tmp_path):
    reference = "    2 * n\n}\n"
    (problem,) = read_own(
        write_rows(tmp_path / "company.jsonl", [{**GOOD, "language": "Rust", "reference": reference}])
    )
    assert problem.key == "company/rust/double"
    assert problem.stop == ("\n}",)
    assert problem.reference == "    2 * n"
    assert problem.cluster == "company/double"
    assert problem.form == "starter"


def test_all_faults_of_a_file_are_told_with_their_lines(tmp_path):
    rows = [
        GOOD,
        {**GOOD, "language": "cobol"},
        {**GOOD, "id": 3, "prompt": ""},
        {**GOOD, "test": "x", "canonical_solution": "x"},
        GOOD,
        {**GOOD, "id": "b", "entry_point": "a b", "task_id": "b"},
    ]
    file = write_rows(tmp_path / "own.jsonl", rows)
    with pytest.raises(ConfigError) as error:
        read_own(file)
    told = "\n".join(error.value.problems)
    for part in (
        "line 2: language: no language 'cobol' can be judged; ",
        "line 3: id: ",
        "line 3: prompt: ",
        "line 4: test: unknown; did you mean 'tests'?",
        "line 4: canonical_solution: unknown; did you mean 'reference'?",
        "line 5: id 'double' is used in line 1",
        "line 6: entry_point: ",
        "line 6: task_id: unknown; did you mean 'id'?",
    ):
        assert part in told, told
    assert len(error.value.problems) == 8


def test_a_fault_of_many_lines_is_told_once(tmp_path):
    rows = [{**GOOD, "id": f"{number}", "language": "cobol"} for number in range(30)]
    with pytest.raises(ConfigError, match="line 1 and 29 more lines: language: no language 'cobol'") as error:
        read_own(write_rows(tmp_path / "own.jsonl", rows))
    assert len(error.value.problems) == 1


def test_names_of_ruby_may_end_in_a_mark_and_those_of_python_not(tmp_path):
    row = {**GOOD, "language": "ruby", "entry_point": "even?"}
    (problem,) = read_own(write_rows(tmp_path / "own.jsonl", [row]))
    assert problem.entry_point == "even?"
    with pytest.raises(ConfigError, match="line 1: entry_point: no name of a Python function"):
        read_own(write_rows(tmp_path / "own.jsonl", [{**row, "language": "python"}]))


CASES = {"id": "sum", "question": "Add.", "tests": [{"input": "1", "output": "1"}]}


def test_cases_are_posed_in_every_language_or_in_one_and_cluster(tmp_path):
    references = {"Python": "print(input())\n"}
    problems = read_own(write_rows(tmp_path / "own.jsonl", [{**CASES, "reference": references}]))
    assert [problem.language for problem in problems] == list(HARNESSES)
    assert {problem.cluster for problem in problems} == {"own/sum"}
    assert {problem.language for problem in problems if problem.reference} == {"python"}
    (one,) = read_own(write_rows(tmp_path / "own.jsonl", [{**CASES, "language": "go", "reference": "package main"}]))
    assert (one.language, one.reference) == ("go", "package main")


CALLS = {"id": "half", "language": "rust", "prompt": "fn half(n: i64) -> f64 {\n", "tolerance": 1e-9}
CALLS["tests"] = [{"arguments": [2], "answer": 1}, {"arguments": [3], "answer": 1.5}]


def test_a_function_has_arguments_and_answers_in_json(tmp_path):
    (problem,) = read_own(write_rows(tmp_path / "own.jsonl", [CALLS]))
    assert (problem.form, problem.entry_point, problem.extra) == ("calls", "half", {"tolerance": "1e-09"})
    assert json.loads(problem.tests) == [["[2]", "1"], ["[3]", "1.5"]]


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (CALLS, {"tolerance": None}, "tolerance: say how far a number may be"),
        (CALLS, {"tolerance": -1}, "tolerance: Input should be greater than or equal to 0"),
        (CALLS, {"tests": "assert true"}, "tolerance: not with tests in its language"),
        (CALLS, {"tests": [{"arguments": ["a"], "answer": 1}]}, 'tests: "a" cannot be written as i64'),
        (CALLS, {"tests": [{"arguments": [1]}]}, r"tests\.0\.answer: Field required"),
        (CALLS, {"tests": [{"answer": 1}]}, r"tests\.0: give arguments, or a call, and its answer"),
        (CALLS, {"question": "Halve."}, "question: not with arguments and answers"),
        (CALLS, {"language": "perl"}, "tests: perl prints no answers; give own_languages.perl.harness.answers"),
        (CALLS, {"entry_point": "third"}, "tests: the prompt has no signature of third"),
        (CASES, {"question": None}, "question: needed with cases of input and output"),
        (CASES, {"prompt": "x"}, "prompt: not with cases of input and output"),
        (CASES, {"tests": "assert f()"}, "language: needed with tests in its language"),
        (CASES, {"tests": []}, "tests: List should have at least 1 item"),
        (CASES, {"tests": [{"input": "1", "output": 2}]}, r"tests\.0\.output: Input should be a valid string"),
        (CASES, {"reference": "x"}, "reference: give one a language"),
    ],
)
def test_what_is_wrong_with_answers_is_told(row, change, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as error:
        read_own(write_rows(tmp_path / "own.jsonl", [{**row, **change}]))
    assert len(error.value.problems) == 1, error.value.problems


def test_a_language_without_a_script_cannot_answer(tmp_path, monkeypatch):
    entry = Toolchain({"x": ("/usr/bin/x",)}, ("{x}",), run=("{x}", "-"))
    monkeypatch.setitem(TOOLCHAINS, "mine", entry)
    monkeypatch.setitem(HARNESSES, "mine", HARNESSES["ruby"])
    with pytest.raises(ConfigError, match=r"language: give own_languages\.mine\.toolchain\.script"):
        read_own(write_rows(tmp_path / "own.jsonl", [{**CASES, "language": "mine"}]))
    assert "mine" not in {problem.language for problem in read_own(write_rows(tmp_path / "own.jsonl", [CASES]))}


def test_an_empty_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="holds no problem"):
        read_own(write_rows(tmp_path / "own.jsonl", []))
