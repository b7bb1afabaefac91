import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.problems.own import read_own
from tests.problems.samples import write_rows

GOOD = {"id": "double", "language": "rust", "prompt": "fn f(n: i64) -> i64 {\n", "tests": "fn tests() {}\n"}


def test_what_is_left_out_comes_from_the_language_and_the_id(tmp_path):
    reference = "    2 * n\n}\n"
    (problem,) = read_own(write_rows(tmp_path / "company.jsonl", [{**GOOD, "reference": reference}]))
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
        {**GOOD, "test": "x"},
        GOOD,
        {**GOOD, "id": "b", "entry_point": "a b"},
    ]
    file = write_rows(tmp_path / "own.jsonl", rows)
    with pytest.raises(ConfigError) as error:
        read_own(file)
    told = "\n".join(error.value.problems)
    for part in (
        "line 2: language: no harness for 'cobol'",
        "line 3: id: ",
        "line 3: prompt: ",
        "line 4: test: unknown; did you mean 'tests'?",
        "line 5: id 'double' is used in line 1",
        "line 6: entry_point: ",
    ):
        assert part in told, told
    assert len(error.value.problems) == 6


def test_names_of_ruby_may_end_in_a_mark_and_those_of_python_not(tmp_path):
    row = {**GOOD, "language": "ruby", "entry_point": "even?"}
    (problem,) = read_own(write_rows(tmp_path / "own.jsonl", [row]))
    assert problem.entry_point == "even?"
    with pytest.raises(ConfigError, match="line 1: entry_point: no name of a Python function"):
        read_own(write_rows(tmp_path / "own.jsonl", [{**row, "language": "python"}]))


def test_an_empty_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="holds no problem"):
        read_own(write_rows(tmp_path / "own.jsonl", []))
