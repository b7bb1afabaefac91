import pytest

from multipl_moe.problems.forms.broken import broken_reference
from multipl_moe.problems.humaneval_x import read_humaneval_x
from multipl_moe.problems.problem import Problem
from tests.problems.samples import HUMANEVAL_X, write_rows


def test_without_a_reference_there_is_nothing_to_break(samples):
    assert broken_reference(samples["multipl_e-rust"]) is None


@pytest.mark.third_party
def test_functions_after_the_first_of_a_real_problem_stay(bench):
    problem = {problem.id: problem for problem in read_humaneval_x(bench / "humaneval-x")}["Rust/50"]
    broken = broken_reference(problem)
    assert broken is not None
    assert broken.startswith('    panic!("broken on purpose")\n}')
    assert "fn decode_shift" in broken


def test_functions_after_the_first_stay(tmp_path):
    solution = "\n    half_of(4 * n)\n}\n\nfn half_of(n: i32) -> i32 {\n    n / 2\n}\n"
    rows = [{**HUMANEVAL_X["rust"], "canonical_solution": solution}]
    (problem,) = read_humaneval_x(write_rows(tmp_path / "a.jsonl", rows))
    broken = broken_reference(problem)
    assert broken == '    panic!("broken on purpose")\n}\n\nfn half_of(n: i32) -> i32 {\n    n / 2\n}\n'


def test_a_python_body_is_indented_like_the_docstring_before_it():
    problem = Problem("x", "1", "python", 'def f():\n "Doc."\n', "", "human_eval", (), reference=" return 1")
    assert broken_reference(problem) == " raise RuntimeError('broken on purpose')"
    plain = Problem("x", "1", "python", "def f():\n", "", "human_eval", (), reference="  return 1")
    assert broken_reference(plain) == "    raise RuntimeError('broken on purpose')"
