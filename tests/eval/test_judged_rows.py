"""Rows are judged once each, in parts or however often that is interrupted, and never held."""

import json
import time
import tracemalloc
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multipl_judge.judge.preflight import LanguageCheck
from multipl_moe.errors import ConfigError, HeldError, OutputError
from multipl_moe.eval import judged_rows
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judged_parts import judge_in_parts
from multipl_moe.eval.judged_rows import PARTS_FOLDER, VERDICTS_FILE, RowJudge
from multipl_moe.eval.judging import held_journal
from multipl_moe.recipe.evaluation import ProgramsSection
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.journal import read_journal, write_journal
from tests.eval.judged import judge_nothing
from tests.fixtures import killed_at_work

_CASES = [{"input": f"{n}\n", "output": f"{2 * n}\n"} for n in (1, 21)]
PROGRAMS = {
    "print(2 * int(input()))": "passed",
    "print(2)": "wrong_answer",
    "1 / 0": "runtime_error",
    "(": "compile_error",
}


def row(number: int, source: str) -> tuple[str, dict]:
    return f"rows, line {number}", {"id": number, "language": "py", "program": source, "cases": _CASES}


ROWS = [row(number, source) for number, source in enumerate([*PROGRAMS, *PROGRAMS])]


def judge_rows(folder: Path, rows=ROWS, **options) -> dict:
    judged = RowJudge(folder, EvalOptions(**options), ProgramsSection(workers=2))
    judged.judge(iter(rows))
    return judged.summary


@pytest.fixture
def machine(monkeypatch) -> list[str]:
    """Stands in for toolchains and judging, of which it names the programs."""
    fine = LanguageCheck("", 0, None)
    monkeypatch.setattr(judged_rows, "preflight", lambda languages, **ways: dict.fromkeys(languages, fine))
    return judge_nothing(monkeypatch, judged_rows)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=st.lists(st.sampled_from("abcd"), min_size=1), cut=st.floats(0, 1), data=st.data())
def test_torn_anywhere_it_is_completed_with_each_row_once(machine, tmp_path, sources, cut, data):
    rows = [row(number, source) for number, source in enumerate(sources)]
    file = tmp_path / VERDICTS_FILE
    file.unlink(missing_ok=True)
    whole = judge_rows(tmp_path, rows)
    lines = read_journal(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content))])
    kept = {line["program"] for line in read_journal(file)}
    machine.clear()
    assert judge_rows(tmp_path, rows) == whole
    assert sorted(machine) == sorted(set(sources) - kept)
    in_order = sorted(read_journal(file), key=lambda line: line["row"])
    assert in_order == sorted(lines, key=lambda line: line["row"])


def test_what_the_judge_failed_on_is_judged_again_and_progress_goes_on_from_the_rest(machine, tmp_path):
    rows, seen = [row(0, "fine"), row(1, "broken"), row(2, "broken")], []
    judge_rows(tmp_path, rows[:2])
    judged = RowJudge(tmp_path, EvalOptions(on_progress=lambda *values: seen.append(values)), ProgramsSection())
    judged.check(rows)
    judged.judge(rows)
    assert sorted(machine) == ["broken"] * 3 + ["fine"]
    assert sorted(line["row"] for line in read_journal(tmp_path / VERDICTS_FILE)) == [1, 2, 3]
    assert judged.summary["outcomes"] == {"python": {"harness_error": 2, "passed": 1}}
    assert (seen, judged.num_new) == ([(1, 3), (2, 3), (3, 3)], 2)


def test_other_rows_than_those_that_were_judged_are_refused(machine, tmp_path):
    judge_rows(tmp_path)
    with pytest.raises(OutputError, match=r"line 2: .* holds a verdict on another row 2; go on with the rows"):
        judge_rows(tmp_path, [ROWS[0], ROWS[2]])


@pytest.mark.parametrize("change", [{"sha256": None}, {"row": "1"}, {"row": 0}, {"language": 7}, {"sha256": "x"}])
def test_lines_that_are_no_verdicts_are_refused(machine, tmp_path, change):
    good = {"row": 1, "sha256": "00" * 32, "language": "python", "outcome": "passed"}
    write_journal(
        tmp_path / VERDICTS_FILE, [{key: value for key, value in (good | change).items() if value is not None}]
    )
    with pytest.raises(OutputError, match="holds a line that is not a verdict"):
        judge_rows(tmp_path)


def test_faults_are_told_before_anything_is_judged_and_a_toolchain_once(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(
        judged_rows,
        "preflight",
        lambda languages, **ways: {name: LanguageCheck("", 0, "none here") for name in languages},
    )
    rows = [*ROWS, ("rows, line 9", {"language": "python"})]
    with pytest.raises(ConfigError) as error:
        RowJudge(tmp_path, EvalOptions(), ProgramsSection()).check(rows)
    assert error.value.problems == [
        "rows, line 0: cannot be judged here: none here",
        "rows, line 9: give `program` and `cases`, or `prompt`, `completion` and `tests`",
    ]
    with pytest.raises(ConfigError, match="no row to judge"):
        RowJudge(tmp_path, EvalOptions(), ProgramsSection()).check([])
    assert not machine


def test_a_row_costs_little_memory_whatever_it_holds(machine, tmp_path):
    def grown(number: int) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        judged = RowJudge(folder, EvalOptions(), ProgramsSection())
        tracemalloc.start()
        judged.judge(row(n, f"{n % 500}" + "#" * 5000) for n in range(number))
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    assert grown(1000) - grown(500) < 500 * 400


@pytest.mark.usefixtures("bubblewrap")
def test_killed_and_started_again_each_row_comes_back_once_with_its_outcome_and_equal_programs_run_once(tmp_path):
    file = tmp_path / VERDICTS_FILE
    killed_at_work(file, 1, judge_rows, tmp_path)
    for _ in range(100):  # a child that was just being made holds the lock until it has become its program
        with suppress(HeldError), held_journal(file):
            break
        time.sleep(0.1)
    before = file.read_bytes()
    summary = judge_rows(tmp_path)
    assert summary == {"rows": 8, "programs": 4, "outcomes": {"python": dict.fromkeys(sorted(PROGRAMS.values()), 2)}}
    assert file.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    lines = sorted(read_journal(file), key=lambda line: line["row"])
    assert [line["outcome"] for line in lines] == [*PROGRAMS.values()] * 2
    assert all(line.items() >= given.items() for line, (_, given) in zip(lines, ROWS, strict=True))
    assert "ZeroDivisionError" in lines[2]["output"]
    assert [line["run_s"] for line in lines[:4]] == [line["run_s"] for line in lines[4:]]


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
    together = RowJudge(tmp_path, EvalOptions(), recipe.programs)  # which finds nothing left to do
    together.judge(iter(ROWS))
    assert (together.num_new, together.summary["programs"]) == (0, len(PROGRAMS))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"score": float("nan")}, "line 1: a number is NaN or infinite, .* null"),
        ({"when": datetime(2026, 1, 1)}, "line 1: a value is none of JSON .*datetime"),
        ({"program": "print('\ud800')"}, "line 1: half of a surrogate pair"),
        ({"output": "mine", "row": "task-17"}, "line 1: output, row: .* rename them"),
    ],
)
def test_a_row_that_no_verdict_can_be_written_to_is_refused_before_anything_runs(machine, tmp_path, more, told):
    where, values = row(1, "print(1)")
    rows = [(where, values | more)]
    with pytest.raises(ConfigError, match=told):
        RowJudge(tmp_path, EvalOptions(), ProgramsSection()).check(rows)
    with pytest.raises(ConfigError, match=told):
        judge_rows(tmp_path, rows)
    assert machine == []


def test_a_row_with_a_whole_verdict_gets_a_new_one(machine, tmp_path):
    judge_rows(tmp_path, ROWS[:1])
    (first,) = read_journal(tmp_path / VERDICTS_FILE)
    (tmp_path / "again").mkdir()
    judge_rows(tmp_path / "again", [("rows, line 1", first | {"outcome": "made up"})])
    (second,) = read_journal(tmp_path / "again" / VERDICTS_FILE)
    assert second == first
