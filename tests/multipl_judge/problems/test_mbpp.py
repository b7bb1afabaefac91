import json

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.mbpp import read_mbpp
from tests.multipl_judge.problems.samples import MBPP, SANITIZED, write_rows


def test_only_the_test_split_is_read(tmp_path):
    rows = [{**MBPP, "task_id": number} for number in (10, 11, 510, 511)]
    assert [problem.id for problem in read_mbpp(write_rows(tmp_path / "mbpp.jsonl", rows))] == ["11", "510"]


def test_the_prompt_shows_task_and_tests(tmp_path):
    (problem,) = read_mbpp(write_rows(tmp_path / "mbpp.jsonl", [MBPP]))
    assert problem.prompt == (
        '"""\nWrite a function to double a number.\nassert twice(2) == 4\nassert twice(0) == 0\n"""\n'
    )
    assert problem.reference == "def twice(n):\n    return 2 * n"
    assert problem.cluster == "MBPP/11"


def test_the_sanitized_form_has_its_own_fields(tmp_path, judged):
    file = tmp_path / "sanitized-mbpp.json"
    file.write_text(json.dumps([SANITIZED]))
    (problem,) = read_mbpp(file, sanitized=True)
    assert problem.key == "mbpp-sanitized/python/12"
    assert problem.entry_point == "half"
    assert judged(problem, problem.reference).outcome == Outcome.passed


def test_without_a_reference_the_outermost_call_is_the_function(tmp_path):
    row = {**MBPP, "code": None, "test_list": ["assert similar((1, 2)) == set([1])"]}
    (problem,) = read_mbpp(write_rows(tmp_path / "mbpp.jsonl", [row]))
    assert problem.entry_point == "similar"
