"""Judging resumes where it ended, and results are the same however often it was interrupted."""

import json
import shutil
from pathlib import Path

import pytest

from multipl_judge.file_lock import file_lock
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completion, Finish, SampleKey
from multipl_moe.errors import HeldError
from multipl_moe.eval import judging
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import DETAILS_FILE, RESULTS_FILE, judge_samples, read_details, read_results
from multipl_moe.recipe.evaluation import ProgramsSection
from tests.eval.judged import judge_nothing
from tests.fixtures import killed_at_work

BODIES = {
    "right": ("    return 2 * n", "passed"),
    "wrong": ("    return n", "wrong_answer"),
    "raises": ("    raise ValueError", "runtime_error"),
    "broken": ("    return (", "compile_error"),
    "leaves": ("    raise SystemExit(0)", "tests_not_completed"),
}


PROBLEMS = [
    Problem("mine", name, "python", "def double(n):\n", "assert double(21) == 42\n", "starter", ("\ndef",))
    for name in BODIES
]


def samples() -> dict[SampleKey, Completion]:
    return {
        (asked.key, number): Completion(BODIES[asked.id][0], Finish.stop) for asked in PROBLEMS for number in range(2)
    }


def judge(folder: Path, options: EvalOptions | None = None, programs: ProgramsSection | None = None) -> list[dict]:
    return judge_samples(PROBLEMS, samples(), folder, options or EvalOptions(), programs or ProgramsSection())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, bubblewrap) -> Path:
    """A folder judged without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    judge(folder)
    return folder


def test_each_sample_has_its_outcome_in_the_order_of_the_samples(whole):
    results = read_results(whole)
    assert [(line["key"], line["sample"]) for line in results] == list(samples())
    assert [line["outcome"] for line in results] == [outcome for _, outcome in BODIES.values() for _ in range(2)]
    assert all(line.keys() == {"key", "sample", "outcome", "stage"} for line in results)
    details = read_details(whole)
    assert "ValueError" in details[PROBLEMS[2].key, 0]["output"]


@pytest.fixture
def machine(whole, tmp_path, monkeypatch) -> list[str]:
    """Stands in for judging, in a folder that was judged whole: names the programs, all of which pass."""
    shutil.copy(whole / DETAILS_FILE, tmp_path)
    return judge_nothing(monkeypatch, judging)


def test_what_was_judged_is_not_judged_again_but_for_failures_of_the_judge(whole, tmp_path, machine):
    lines = (whole / DETAILS_FILE).read_text().splitlines(keepends=True)
    failed = json.dumps(json.loads(lines[0]) | {"outcome": "harness_error"}) + "\n"
    (tmp_path / DETAILS_FILE).write_text(failed + "".join(lines[1:]))
    seen = []
    judge(tmp_path, EvalOptions(on_progress=lambda done, total: seen.append((done, total))))
    total = 2 * len(BODIES)
    assert seen == [(total - 1, total), (total, total)]
    assert len(machine) == 1


def test_other_completions_and_other_limits_are_judged_anew_and_equal_programs_once(whole, tmp_path, machine):
    changed = samples() | {(PROBLEMS[2].key, 1): Completion("    return n + n + 1", Finish.stop)}
    results = judge_samples(PROBLEMS, changed, tmp_path, EvalOptions(), ProgramsSection())
    assert [line["outcome"] for line in results[4:6]] == ["runtime_error", "passed"]
    assert len(machine) == 1
    assert len(judge(tmp_path, programs=ProgramsSection(memory_bytes=2**29))) == 2 * len(BODIES)
    assert len(machine) == 1 + len(BODIES)


def test_killed_and_started_again_gives_the_same_results(whole, tmp_path):
    killed_at_work(tmp_path / DETAILS_FILE, 4, judge, tmp_path)
    assert not (tmp_path / RESULTS_FILE).exists()
    with file_lock(tmp_path / DETAILS_FILE, wait=True):  # which a process that was just being started may still hold
        pass
    with (tmp_path / DETAILS_FILE).open("ab") as torn:
        torn.write(b'{"key": "mine/python/ri')
    judge(tmp_path)
    assert (tmp_path / RESULTS_FILE).read_bytes() == (whole / RESULTS_FILE).read_bytes()


def test_a_folder_in_which_somebody_judges_is_refused_and_its_details_stay_as_they_are(whole, tmp_path):
    shutil.copy(whole / DETAILS_FILE, tmp_path)
    with file_lock(tmp_path / DETAILS_FILE, wait=False), pytest.raises(HeldError, match="being judged by another"):
        judge(tmp_path)
    assert (tmp_path / DETAILS_FILE).read_bytes() == (whole / DETAILS_FILE).read_bytes()
