from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.mbxp import read_mbxp
from tests.problems.samples import MBXP, write_rows


def test_nothing_stands_between_prompt_and_completion(tmp_path):
    (problem,) = read_mbxp(write_rows(tmp_path / "a.jsonl", [MBXP["ruby"]]))
    source = program_of(problem, " = 2 * n", Nonce(1, 2)).source
    assert "def twice(n) = 2 * n\n" in source


def test_languages_without_a_form_are_passed_over(tmp_path):
    rows = [{**MBXP["java"], "language": "kotlin"}, MBXP["go"]]
    assert [problem.language for problem in read_mbxp(write_rows(tmp_path / "a.jsonl", rows))] == ["go"]


def test_both_of_mxevals_sets_are_clustered(tmp_path):
    rows = [MBXP["go"], {**MBXP["go"], "task_id": "HumanEval/7"}]
    clusters = [problem.cluster for problem in read_mbxp(write_rows(tmp_path / "a.jsonl", rows))]
    assert clusters == ["MBPP/900", "HumanEval/7"]
