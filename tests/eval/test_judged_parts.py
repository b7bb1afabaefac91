"""Rows judged in parts have the outcomes that they have together, wherever the parts run."""

import json

import pytest

from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judged_parts import PARTS_FOLDER, judge_in_parts
from multipl_moe.eval.judged_rows import VERDICTS_FILE, RowJudge
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.journal import read_journal
from tests.eval.test_judged_rows import PROGRAMS, ROWS


@pytest.mark.usefixtures("bubblewrap")
def test_parts_give_each_row_its_number_and_outcome_and_equal_programs_run_once(tmp_path):
    recipe = validate_recipe({"corpus": {"executor": {"parts": 3, "workers": 2}}})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for _, row in ROWS))
    judge_in_parts(tmp_path / "rows.jsonl", tmp_path, recipe, EvalOptions())
    lines = read_journal(tmp_path / VERDICTS_FILE)
    assert len(lines) == len(ROWS)
    expected = {number: (number + 1, outcome) for number, outcome in enumerate([*PROGRAMS.values()] * 2)}
    assert {line["id"]: (line["row"], line["outcome"]) for line in lines} == expected
    assert not (tmp_path / PARTS_FOLDER).exists()
    # All that is left to do together is to see that nothing is.
    together = RowJudge(tmp_path, EvalOptions(), recipe.programs)
    together.judge(iter(ROWS))
    assert (together.num_new, together.summary["programs"]) == (0, len(PROGRAMS))
