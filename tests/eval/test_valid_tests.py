"""Problems whose tests do not compile are left out by name, before a model is asked, and are tried but once."""

import pytest

from multipl_judge.problems.multipl_e import read_multipl_e
from multipl_moe.errors import ConfigError
from multipl_moe.eval import valid_tests
from multipl_moe.eval.eval_set import EvalOptions, prepare_eval_set
from multipl_moe.recipe.recipe import validate_recipe
from tests.multipl_judge.problems.samples import MULTIPL_E, write_rows

GOOD = {**MULTIPL_E["ocaml"], "name": "HumanEval_900_twice"}
BAD = {**GOOD, "name": "HumanEval_901_twice", "prompt": "(** Twice N. *)\nlet twice (N : int) : int =\n"}


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe that is evaluated on the two problems, with no cache yet."""
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "cache"))
    rows = write_rows(tmp_path / "ml.jsonl", [GOOD, BAD])
    return validate_recipe({"programs": {"benchmarks": [f"multipl-e-humaneval:{rows}"]}})


def test_a_problem_that_compiles_with_no_answer_is_left_out_by_name(recipe, bubblewrap, tmp_path, monkeypatch):
    eval_set = prepare_eval_set(recipe, EvalOptions())
    assert [problem.id for problem in eval_set.scored] == ["HumanEval_900_twice"]
    ((problem, said),) = eval_set.left_out
    assert (problem.id, "N" in said) == ("HumanEval_901_twice", True)
    assert eval_set.unscored == [problem]
    asked = []
    monkeypatch.setattr(valid_tests, "judge_all", lambda tasks, **options: asked.extend(tasks))
    assert prepare_eval_set(recipe, EvalOptions()) == eval_set
    write_rows(tmp_path / "ml.jsonl", [BAD])
    with pytest.raises(ConfigError, match=r"no problem's tests are valid; .*HumanEval_901_twice"):
        prepare_eval_set(recipe, EvalOptions())
    assert asked == []


def test_older_languages_and_sets_with_references_are_not_tried(tmp_path):
    rows = write_rows(tmp_path / "rs.jsonl", [{**MULTIPL_E["rust"], "name": "HumanEval_900_twice"}])
    (problem,) = read_multipl_e("humaneval", rows)
    assert not valid_tests.may_be_invalid(problem)
