from multipl_moe.problems.forms.broken import broken_reference
from multipl_moe.problems.humaneval_x import read_humaneval_x
from multipl_moe.problems.problem import Problem
from tests.problems.samples import BENCH


def test_without_a_reference_there_is_nothing_to_break(samples):
    assert broken_reference(samples["multipl_e-rust"]) is None


def test_functions_after_the_first_stay():
    problem = {problem.id: problem for problem in read_humaneval_x(BENCH / "humaneval-x")}["Rust/50"]
    broken = broken_reference(problem)
    assert broken is not None
    assert broken.startswith('    panic!("broken on purpose")\n}')
    assert "fn decode_shift" in broken


def test_a_python_body_is_indented_like_the_docstring_before_it():
    problem = Problem("x", "1", "python", 'def f():\n "Doc."\n', "", "human_eval", (), reference=" return 1")
    assert broken_reference(problem) == " raise RuntimeError('broken on purpose')"
    plain = Problem("x", "1", "python", "def f():\n", "", "human_eval", (), reference="  return 1")
    assert broken_reference(plain) == "    raise RuntimeError('broken on purpose')"
