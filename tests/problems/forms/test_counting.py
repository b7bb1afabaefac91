import pytest

from multipl_moe.problems.forms.counting import tests_run as count_tests
from multipl_moe.problems.humaneval_x import read_humaneval_x
from tests.problems.samples import HUMANEVAL_X, write_rows


def test_every_sample_has_tests(samples):
    assert all(count_tests(problem) > 0 for problem in samples.values())


def test_a_problem_whose_tests_are_a_comment_is_hollow(tmp_path):
    row = HUMANEVAL_X["rust"]
    hollow = {**row, "task_id": "Rust/901", "test": row["test"].replace("assert_eq!", "// assert_eq!")}
    problems = read_humaneval_x(write_rows(tmp_path / "a.jsonl", [row, hollow]))
    assert {problem.id: count_tests(problem) for problem in problems} == {"Rust/900": 1, "Rust/901": 0}


@pytest.mark.third_party
def test_of_humaneval_x_only_the_problem_whose_tests_are_a_comment_is_hollow(bench):
    hollow = [problem.id for problem in read_humaneval_x(bench / "humaneval-x") if count_tests(problem) == 0]
    assert hollow == ["Rust/32"]
