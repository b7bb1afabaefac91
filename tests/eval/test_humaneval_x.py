"""HumanEval-X checks the judge: solutions pass, bodies that fail do not, and tests that prove nothing are flagged.

A few problems of the project's own in its format, and a part of its 820 programs. All of them: `multipl-moe eval OUT
--reference --benchmark humaneval-x:FOLDER`.
"""

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from multipl_judge.problems.benchmarks import read_benchmark
from multipl_moe.eval import references
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import read_results
from multipl_moe.eval.references import check_references, prepare_reference_set
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.runs.verdict import ProgramsResult
from tests.multipl_judge.problems.samples import HUMANEVAL_X

HOLLOW = {"humaneval-x/rust/Rust/32"}
# They need what only few do: boost, openssl, and the crates regex, md5 and rand.
NEEDY = {"CPP/162", "CPP/22", "CPP/137", "Rust/50", "Rust/162", "Go/162"}
EVERY = 12


def checked(data: Path, output: Path) -> ProgramsResult:
    """The result of checking the references in a folder; all of them pass."""
    recipe = load_recipe(None, {"programs.benchmarks": [f"humaneval-x:{data}"]})
    metrics = check_references(recipe, prepare_reference_set(recipe, EvalOptions()), output, EvalOptions())
    assert metrics.not_scored == {}
    assert metrics.left_out == []
    for language, _, _, cell in metrics.cells():
        assert cell.outcomes["passed"] == cell.tasks, language
    return metrics


def broken_outcomes(output: Path) -> Counter[str]:
    return Counter(result["outcome"] for result in read_results(output / "broken"))


@pytest.mark.extended
def test_own_solutions_pass_broken_ones_do_not_and_a_hollow_problem_is_flagged(bubblewrap, small_bench, tmp_path):
    data = shutil.copytree(small_bench / "humaneval-x", tmp_path / "data")
    hollow = {**HUMANEVAL_X["rust"], "task_id": "Rust/902"}
    hollow["test"] = hollow["test"].replace("assert_eq!", "// assert_eq!")
    with gzip.open(data / "rust.jsonl.gz", "at") as rows:
        rows.write(json.dumps(hollow) + "\n")
    metrics = checked(data, tmp_path / "out")
    tasks = {name: cell.tasks for name, _, _, cell in metrics.cells()}
    assert tasks == {"python": 2, "cpp": 2, "java": 2, "go": 2, "rust": 3}
    assert metrics.flags.keys() == {"humaneval-x/rust/Rust/902"}
    assert broken_outcomes(tmp_path / "out") == {"runtime_error": 10, "passed": 1}


@pytest.fixture
def chosen(monkeypatch, bench):
    """Every twelfth problem of each language, and those that are special."""
    problems = read_benchmark(f"humaneval-x:{bench / 'humaneval-x'}")
    kept = [
        problem
        for problem in problems
        if problem.key in HOLLOW or problem.id in NEEDY or int(problem.id.rpartition("/")[2]) % EVERY == 0
    ]
    monkeypatch.setattr(references, "read_problems", lambda recipe: kept)
    return kept


@pytest.mark.extended
@pytest.mark.third_party
def test_solutions_pass_broken_ones_do_not_and_the_hollow_problem_is_flagged(bubblewrap, bench, chosen, tmp_path):
    metrics = checked(bench / "humaneval-x", tmp_path)
    assert all(cell.tasks > 12 for *_, cell in metrics.cells())
    assert metrics.flags.keys() == HOLLOW
    assert broken_outcomes(tmp_path) == {"runtime_error": len(chosen) - len(HOLLOW), "passed": len(HOLLOW)}
