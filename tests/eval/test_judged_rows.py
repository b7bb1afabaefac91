"""Rows are judged once each, however often that is interrupted, and never held."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.preflight import LanguageCheck
from multipl_moe.errors import ConfigError, HeldError, OutputError
from multipl_moe.eval import judged_rows
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judged_rows import VERDICTS_FILE, RowJudge
from multipl_moe.eval.judging import held_journal
from multipl_moe.recipe.evaluation import ProgramsSection
from multipl_moe.runs.journal import read_journal, write_journal

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
def machine(monkeypatch) -> Counter[str]:
    """Stands in for toolchains and judging, of which it counts the programs; what holds "broken" breaks the judge."""
    seen: Counter[str] = Counter()

    def judge_all(tasks, *, on_result, **ways):
        for task in tasks:
            source = task.make_program().source
            seen[source[:20]] += 1
            outcome = Outcome.harness_error if "broken" in source else Outcome.passed
            on_result(task, Judgement(outcome, "run", "x" * 4096, 0.0, 0.0, 0))

    monkeypatch.setattr(judged_rows, "judge_all", judge_all)
    fine = LanguageCheck("", 0, None)
    monkeypatch.setattr(judged_rows, "preflight", lambda languages, **ways: dict.fromkeys(languages, fine))
    return seen


def test_each_row_comes_back_with_its_outcome_and_equal_programs_run_once(tmp_path, bubblewrap):
    summary = judge_rows(tmp_path)
    assert summary == {"rows": 8, "programs": 4, "outcomes": {"python": dict.fromkeys(sorted(PROGRAMS.values()), 2)}}
    lines = sorted(read_journal(tmp_path / VERDICTS_FILE), key=lambda line: line["row"])
    assert [{name: line[name] for name in given} for line, (_, given) in zip(lines, ROWS, strict=True)] == [
        given for _, given in ROWS
    ]
    assert [line["outcome"] for line in lines] == [*PROGRAMS.values()] * 2
    assert "ZeroDivisionError" in lines[2]["output"]
    assert [line["run_s"] for line in lines[:4]] == [line["run_s"] for line in lines[4:]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert machine == Counter(set(sources) - kept)
    in_order = sorted(read_journal(file), key=lambda line: line["row"])
    assert in_order == sorted(lines, key=lambda line: line["row"])


def test_what_the_judge_failed_on_is_judged_again_and_stands_there_once(machine, tmp_path):
    rows = [row(0, "fine"), row(1, "broken"), row(2, "broken")]
    judge_rows(tmp_path, rows[:2])
    summary = judge_rows(tmp_path, rows)
    assert machine == {"fine": 1, "broken": 3}
    assert sorted(line["row"] for line in read_journal(tmp_path / VERDICTS_FILE)) == [1, 2, 3]
    assert summary["outcomes"] == {"python": {"harness_error": 2, "passed": 1}}


def test_other_rows_than_those_that_were_judged_are_refused(machine, tmp_path):
    judge_rows(tmp_path)
    with pytest.raises(OutputError, match=r"line 2: .* holds a verdict on another row 2; go on with the rows"):
        judge_rows(tmp_path, [ROWS[0], ROWS[2]])
    write_journal(tmp_path / VERDICTS_FILE, [{"outcome": "passed"}])
    with pytest.raises(OutputError, match="holds a line that is not a verdict"):
        judge_rows(tmp_path)


def test_progress_goes_on_from_what_is_judged(machine, tmp_path):
    judge_rows(tmp_path, ROWS[:3])
    seen = []
    judged = RowJudge(tmp_path, EvalOptions(on_progress=lambda *values: seen.append(values)), ProgramsSection())
    judged.check(ROWS)
    judged.judge(ROWS)
    assert seen == [(number, len(ROWS)) for number in range(1, len(ROWS) + 1)]
    assert judged.num_new == len(ROWS) - 3


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
def test_killed_and_started_again_it_judges_no_row_twice(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.eval.test_judged_rows import judge_rows\n"
        "judge_rows(Path(sys.argv[1]), on_progress=lambda done, total: print(done, flush=True))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        os.kill(process.pid, signal.SIGKILL)
    for _ in range(100):  # a child that was just being made holds the lock until it has become its program
        with suppress(HeldError), held_journal(tmp_path / VERDICTS_FILE):
            break
        time.sleep(0.1)
    before = (tmp_path / VERDICTS_FILE).read_bytes()
    assert judge_rows(tmp_path)["rows"] == len(ROWS)
    after = (tmp_path / VERDICTS_FILE).read_bytes()
    assert after.startswith(before[: before.rfind(b"\n") + 1])
    assert sorted(json.loads(line)["row"] for line in after.splitlines()) == list(range(1, len(ROWS) + 1))
