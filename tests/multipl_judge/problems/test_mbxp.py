from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.mbxp import read_mbxp
from tests.multipl_judge.problems.samples import MBXP, write_rows


def test_nothing_stands_between_prompt_and_completion(tmp_path):
    (problem,) = read_mbxp(write_rows(tmp_path / "a.jsonl", [MBXP["ruby"]]))
    assert r"def twice(n) = 2 * n\x0A" in program_of(problem, " = 2 * n", Nonce(1, 2)).source


def test_both_of_mxevals_sets_are_clustered_and_languages_without_a_form_are_passed_over(tmp_path):
    rows = [MBXP["go"], {**MBXP["go"], "task_id": "HumanEval/7"}, {**MBXP["java"], "language": "kotlin"}]
    clusters = [problem.cluster for problem in read_mbxp(write_rows(tmp_path / "a.jsonl", rows))]
    assert clusters == ["MBPP/900", "HumanEval/7"]
