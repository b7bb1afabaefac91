"""HumanEval-X checks the judge: solutions pass, bodies that fail do not, and tests that prove nothing are flagged.

A part of its 820 programs; all of them: `multipl-moe eval OUT --reference --benchmark humaneval-x:FOLDER`.
"""

from collections import Counter
from pathlib import Path

import pytest

from multipl_moe.eval import references
from multipl_moe.eval.judging import read_results
from multipl_moe.eval.programs import Ways
from multipl_moe.eval.references import check_references, prepare_reference_exam
from multipl_moe.problems.benchmarks import read_benchmark
from multipl_moe.recipe.recipe import load_recipe

DATA = Path(__file__).parents[3] / "shared" / "bench" / "humaneval-x"
HOLLOW = {"humaneval-x/rust/Rust/32", "humaneval-x/cpp/CPP/23"}
# They need what only few do: boost, openssl, and the crates regex, md5 and rand.
NEEDY = {"CPP/162", "CPP/22", "CPP/137", "Rust/50", "Rust/162", "Go/162"}
EVERY = 12


@pytest.fixture
def chosen(monkeypatch):
    """Every twelfth problem of each language, and those that are special."""
    problems = read_benchmark(f"humaneval-x:{DATA}")
    kept = [
        problem
        for problem in problems
        if problem.key in HOLLOW or problem.id in NEEDY or int(problem.id.rpartition("/")[2]) % EVERY == 0
    ]
    monkeypatch.setattr(references, "read_problems", lambda recipe: kept)
    return kept


def test_solutions_pass_broken_ones_do_not_and_the_two_hollow_problems_are_flagged(bubblewrap, chosen, tmp_path):
    recipe = load_recipe(None, {"programs.benchmarks": [f"humaneval-x:{DATA}"]})
    metrics = check_references(recipe, prepare_reference_exam(recipe, Ways()), tmp_path, Ways())
    assert metrics["not_scored"] == {}
    assert metrics["left_out"] == []
    for language, values in metrics["languages"].items():
        cell = values["benchmarks"]["humaneval-x"]
        assert cell["outcomes"]["passed"] == cell["tasks"] > 12, language
    assert metrics["flags"].keys() == HOLLOW
    outcomes = Counter(result["outcome"] for result in read_results(tmp_path / "broken"))
    assert outcomes == {"runtime_error": len(chosen) - 2, "passed": 2}
