"""Rows judged in parts have the outcomes that they have together, wherever the parts run."""

import json
from pathlib import Path

import pytest

from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judged_parts import PARTS_FOLDER, judge_in_parts
from multipl_moe.eval.judged_rows import VERDICTS_FILE, RowJudge, Rows
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from multipl_moe.runs.journal import read_journal
from tests.eval.test_judged_rows import PROGRAMS, ROWS

pytestmark = pytest.mark.usefixtures("bubblewrap")


def _recipe(**executor: object) -> Recipe:
    return validate_recipe({"corpus": {"executor": {"parts": 3, **executor}}})


def _outcomes(folder: Path) -> dict[int, tuple[int, str]]:
    """By the row's own id: its number, and its outcome."""
    lines = read_journal(folder / VERDICTS_FILE)
    assert len(lines) == len(ROWS)
    return {line["id"]: (line["row"], line["outcome"]) for line in lines}


def _judge(folder: Path, **executor: object) -> None:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for _, row in ROWS))
    judge_in_parts(file, folder, _recipe(**executor), EvalOptions())


def test_parts_give_each_row_its_number_and_outcome_and_equal_programs_run_once(tmp_path):
    _judge(tmp_path, workers=2)
    expected = {number: (number + 1, outcome) for number, outcome in enumerate([*PROGRAMS.values()] * 2)}
    assert _outcomes(tmp_path) == expected
    assert not (tmp_path / PARTS_FOLDER).exists()
    # All that is left to do together is to see that nothing is.
    together = RowJudge(tmp_path, EvalOptions(), _recipe().programs)
    together.judge(iter(ROWS))
    assert (together.num_new, together.summary["programs"]) == (0, len(PROGRAMS))


def test_parts_that_were_stopped_go_on_and_run_no_program_again(tmp_path, monkeypatch):
    judge, num_new = RowJudge.judge, []

    def stopped(self: RowJudge, rows: Rows) -> None:
        judge(self, rows)
        num_new.append(self.num_new)
        if len(num_new) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(RowJudge, "judge", stopped)
    with pytest.raises(KeyboardInterrupt):
        _judge(tmp_path, workers=1)
    _judge(tmp_path, workers=1)
    assert num_new[1] == 0
    assert sum(num_new) == len(_outcomes(tmp_path))
