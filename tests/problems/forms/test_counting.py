from multipl_moe.problems.forms.counting import tests_run as count_tests
from multipl_moe.problems.humaneval_x import read_humaneval_x
from tests.problems.samples import BENCH


def test_every_sample_has_tests(samples):
    assert all(count_tests(problem) > 0 for problem in samples.values())


def test_only_the_problem_whose_tests_are_a_comment_is_hollow():
    hollow = [problem.id for problem in read_humaneval_x(BENCH / "humaneval-x") if count_tests(problem) == 0]
    assert hollow == ["Rust/32"]
