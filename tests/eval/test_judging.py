"""Judging resumes where it ended, and results are the same however often it was interrupted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from multipl_judge.file_lock import file_lock
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completion, Finish, SampleKey
from multipl_moe.errors import HeldError
from multipl_moe.eval import judging
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import DETAILS_FILE, RESULTS_FILE, judge_samples, read_details, read_results
from multipl_moe.recipe.evaluation import ProgramsSection

BODIES = {
    "right": ("    return 2 * n", "passed"),
    "wrong": ("    return n", "wrong_answer"),
    "raises": ("    raise ValueError", "runtime_error"),
    "broken": ("    return (", "compile_error"),
    "leaves": ("    raise SystemExit(0)", "tests_not_completed"),
}


def problem(name: str) -> Problem:
    return Problem(
        benchmark="mine",
        id=name,
        language="python",
        prompt="def double(n):\n",
        tests="assert double(21) == 42\n",
        form="starter",
        stop=("\ndef",),
    )


PROBLEMS = [problem(name) for name in BODIES]


def samples() -> dict[SampleKey, Completion]:
    return {
        (asked.key, number): Completion(BODIES[asked.id][0], Finish.stop) for asked in PROBLEMS for number in range(2)
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, bubblewrap) -> Path:
    """A folder judged without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    judge_samples(PROBLEMS, samples(), folder, EvalOptions())
    return folder


def test_each_sample_has_its_outcome_in_the_order_of_the_samples(whole):
    results = read_results(whole)
    assert [(line["key"], line["sample"]) for line in results] == list(samples())
    assert [line["outcome"] for line in results] == [outcome for _, outcome in BODIES.values() for _ in range(2)]
    assert all(line.keys() == {"key", "sample", "outcome", "stage"} for line in results)
    details = read_details(whole)
    assert "ValueError" in details[PROBLEMS[2].key, 0]["output"]


def test_equal_programs_are_judged_once(tmp_path, monkeypatch):
    judged = []

    def judge_all(tasks, *, on_result, **ways):
        for task in tasks:
            judged.append(task.key)
            on_result(task, Judgement(Outcome.passed, "run", "", 0.0, 0.0, 0))

    monkeypatch.setattr(judging, "judge_all", judge_all)
    results = judge_samples(PROBLEMS, samples(), tmp_path, EvalOptions())
    assert (len(judged), len(results)) == (len(BODIES), 2 * len(BODIES))


def test_what_was_judged_is_not_judged_again_but_for_failures_of_the_judge(whole, tmp_path, monkeypatch):
    lines = (whole / DETAILS_FILE).read_text().splitlines(keepends=True)
    failed = json.dumps(json.loads(lines[0]) | {"outcome": "harness_error"}) + "\n"
    (tmp_path / DETAILS_FILE).write_text(failed + "".join(lines[1:]))
    seen = []
    options = EvalOptions(on_progress=lambda done, total: seen.append((done, total)))
    results = judge_samples(PROBLEMS, samples(), tmp_path, options)
    total = 2 * len(BODIES)
    assert seen == [(total - 1, total), (total, total)]
    assert results == read_results(whole)


def test_another_completion_of_a_sample_is_judged_anew(whole, tmp_path):
    (tmp_path / DETAILS_FILE).write_bytes((whole / DETAILS_FILE).read_bytes())
    changed = samples() | {(PROBLEMS[0].key, 1): Completion("    return n + n + 1", Finish.stop)}
    results = judge_samples(PROBLEMS, changed, tmp_path, EvalOptions())
    assert [line["outcome"] for line in results[:2]] == ["passed", "wrong_answer"]


def test_killed_and_started_again_gives_the_same_results(whole, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.eval.test_judging import PROBLEMS, samples\n"
        "from multipl_moe.eval.eval_set import EvalOptions\nfrom multipl_moe.eval.judging import judge_samples\n"
        "options = EvalOptions(on_progress=lambda done, total: print(done, flush=True))\n"
        "judge_samples(PROBLEMS, samples(), Path(sys.argv[1]), options)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and int(line) < 4:
            pass
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / RESULTS_FILE).exists()
    with file_lock(tmp_path / DETAILS_FILE, wait=True):  # which a process that was just being started may still hold
        pass
    with (tmp_path / DETAILS_FILE).open("ab") as torn:
        torn.write(b'{"key": "mine/python/ri')
    judge_samples(PROBLEMS, samples(), tmp_path, EvalOptions())
    assert (tmp_path / RESULTS_FILE).read_bytes() == (whole / RESULTS_FILE).read_bytes()


def test_a_folder_in_which_somebody_judges_is_refused_and_its_details_stay_as_they_are(whole, tmp_path):
    (tmp_path / DETAILS_FILE).write_bytes((whole / DETAILS_FILE).read_bytes())
    with file_lock(tmp_path / DETAILS_FILE, wait=False), pytest.raises(HeldError, match="being judged by another"):
        judge_samples(PROBLEMS, samples(), tmp_path, EvalOptions())
    assert (tmp_path / DETAILS_FILE).read_bytes() == (whole / DETAILS_FILE).read_bytes()
    assert len(judge_samples(PROBLEMS, samples(), tmp_path, EvalOptions())) == len(samples())


def test_other_limits_are_judged_anew(whole, tmp_path, bubblewrap):
    (tmp_path / DETAILS_FILE).write_bytes((whole / DETAILS_FILE).read_bytes())
    other = ProgramsSection(memory_bytes=2**29)
    results = judge_samples(PROBLEMS, samples(), tmp_path, EvalOptions(), programs=other)
    assert results == read_results(whole)
    judged = [len((folder / DETAILS_FILE).read_text().splitlines()) for folder in (whole, tmp_path)]
    assert judged[1] == 2 * judged[0]
