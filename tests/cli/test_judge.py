"""`multipl-moe judge`: rows in, rows with outcomes out."""

import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from multipl_moe.cli import judge
from multipl_moe.cli.app import progress_bar
from multipl_moe.errors import TasksUnfinishedError
from multipl_moe.eval.judged_rows import RowJudge, Rows
from multipl_moe.runs.journal import read_journal

_SHELL = """
own_languages:
  posix-shell:
    extensions: [.sh]
    toolchain: {executables: {sh: [/bin/sh]}, version: ["{sh}", -c, "echo 1"], script: ["{sh}", "{folder}/program"]}
"""
_CASES = [{"input": "4\n", "output": "8\n"}]
ROWS = [
    {"id": "a", "language": "posix-shell", "program": "read n; echo $((2 * n))", "cases": _CASES},
    {"id": "b", "language": ".SH", "program": "echo 7", "cases": _CASES},
    {
        "id": "c",
        "language": "Python",
        "prompt": "def double(n):\n",
        "completion": "    return 2 * n\n",
        "tests": "assert double(2) == 4\n",
    },
]


@pytest.fixture
def rows(tables, tmp_path) -> str:
    """The rows as text, also in rows.jsonl; a recipe with their language beside it."""
    (tmp_path / "shell.yaml").write_text(_SHELL)
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "rows.jsonl").write_text(text)
    return text


@pytest.mark.usefixtures("bubblewrap")
def test_rows_of_several_languages_get_their_outcomes_and_a_run_goes_on(run, refused, rows, tmp_path, monkeypatch):
    command = ["judge", "rows.jsonl", "out", "--recipe", "shell.yaml", "--workers", "1"]
    done = run(*command)
    told = "posix-shell: 1 passed, 1 wrong_answer\npython: 1 passed\n3 rows, 3 different programs, "
    assert told in done.out
    lines = read_journal(tmp_path / "out/verdicts.jsonl")
    assert {line["id"]: line["outcome"] for line in lines} == {"a": "passed", "b": "wrong_answer", "c": "passed"}
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert (metrics["rows"], metrics["outcomes"]["posix-shell"]) == (3, {"passed": 1, "wrong_answer": 1})
    assert "finished run" in refused(*command, "--resume")
    (tmp_path / "out/metrics.json").unlink()
    assert "exists" in refused(*command)
    assert "another recipe" in refused(*command, "--resume", "--set", "programs.cpu_s=3")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(rows.encode())))
    run("judge", "-", *command[2:], "--resume")
    assert read_journal(tmp_path / "out/verdicts.jsonl") == lines


def test_bad_rows_are_refused_with_their_lines_and_nothing_is_written(refused, rows, tmp_path, monkeypatch):
    bad = rows.replace(".SH", "posix-shel").replace("posix-shell", "posix-shel").replace('"completion"', '"complete"')
    (tmp_path / "bad.jsonl").write_text(bad)
    told = refused("judge", "bad.jsonl", "out", "--recipe", "shell.yaml", "--unsafe-no-sandbox", num_problems=2)
    assert "bad.jsonl, line 1: language: no language 'posix-shel' can be judged; did you mean 'posix-shell'?" in told
    assert "for one of your own begin with `multipl-moe language posix-shel`, or give the --recipe that has it" in told
    assert "line 2" not in told, "it is told once"
    assert "bad.jsonl, line 3: completion: Field required" in told
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}\n{\n")))
    assert "standard input, line 1: give" in refused("judge", "-", "out", "--unsafe-no-sandbox")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\n")))
    assert "it has no row to judge" in refused("judge", "-", "out", "--unsafe-no-sandbox")
    assert not [*tmp_path.glob("out/*")]
    (tmp_path / "bad.jsonl").write_text("{\n")
    assert "bad.jsonl, line 1 is not JSON" in refused("judge", "bad.jsonl", "out")
    assert "none.jsonl does not exist" in refused("judge", "none.jsonl", "out")


@pytest.mark.usefixtures("bubblewrap")
def test_what_parts_have_judged_stays_where_a_later_one_ends_badly(run, refused, rows, tmp_path, monkeypatch):
    step, judged = RowJudge.judge, []

    def ends(self: RowJudge, given: Rows) -> None:
        step(self, given)
        judged.append(self.num_new)
        if len(judged) == 2:
            raise TasksUnfinishedError("a worker was killed")

    units = []
    monkeypatch.setattr(RowJudge, "judge", ends)
    monkeypatch.setattr(judge, "progress_bar", lambda unit: units.append(unit) or progress_bar(unit=unit))
    command = ["judge", "rows.jsonl", "out", "--recipe", "shell.yaml", "--set", "corpus.executor.parts=2"]
    command += ["--set", "corpus.executor.workers=1"]
    assert "a worker was killed" in run(*command, code=2).err
    done = run(*command, "--resume")
    assert sum(judged[2:]) == 0, "what was judged is not judged again"
    assert "3 different programs: out" in done.out
    assert sum(judged) == len(read_journal(tmp_path / "out/verdicts.jsonl")) == len(ROWS)
    anew = run(*command[:2], "anew", *command[3:])
    assert re.search(r"3 different programs, (?!0\.0)[\d.]+ a second", anew.out), anew.out
    (tmp_path / "anew/metrics.json").unlink()
    run(*command[:2], "anew", *command[3:], "--resume")
    assert units == ["parts", "parts", "parts", "programs"]
    assert "corpus.executor: parts are only of a file" in refused("judge", "-", "out", *command[3:])


def test_what_cannot_be_judged_is_refused_without_torch_which_takes_seconds_to_import(tmp_path):
    words = ["judge", "nowhere.jsonl", "out"]
    code = f"import sys; sys.modules['torch'] = None; sys.argv[1:] = {words}\n"
    code += "from multipl_moe.__main__ import main; main()"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, "nowhere.jsonl does not exist" in run.stderr) == (2, True)
