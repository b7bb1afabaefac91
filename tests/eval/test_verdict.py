"""The verdict on one model: keys frozen, nothing silently 0."""

from dataclasses import replace
from typing import Any

import pytest

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.toolchain import Toolchain
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_moe.errors import UserError
from multipl_moe.eval.clusters import TaskScores
from multipl_moe.eval.intervals import estimate_rate
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.runs.verdict import Rate, Sample
from tests.eval.judged import cell_of, problem, problems, results

_SETTINGS = VerdictSettings(roles={"rust": "learn", "go": "learn", "python": "keep"})
RUST, GO, PYTHON = (problems(name, 5) for name in ("rust", "go", "python"))
ASKED = RUST + GO + PYTHON
JUDGED = results(RUST, "pwccp") + results(GO, "hpwww") + results(PYTHON, "ppppw")


def test_keys_are_frozen():
    verdict: Any = build_verdict(ASKED, JUDGED, _SETTINGS).to_json()
    assert set(verdict) == {"pass_at", "languages", "means", "not_scored", "left_out", "flags"}
    cell_keys = {"tasks", "samples", "pass_at_k", "parses_or_compiles", "passes", "outcomes", "failures"}
    for row in verdict["languages"].values():
        assert set(row) == {"title", "role", "benchmarks"}
        for cell in row["benchmarks"].values():
            assert set(cell) == cell_keys
            assert set(cell["pass_at_k"]["1"]) == {"value", "interval", "tasks"}
            assert set(cell["parses_or_compiles"]) == set(cell["passes"]) == {"value", "interval"}
            assert list(cell["outcomes"]) == [str(outcome) for outcome in Outcome]
            ways = ["not_built", "runtime_error", "wrong_answer", "tests_not_completed", "limits"]
            assert list(cell["failures"]) == ways
    for row in verdict["means"].values():
        assert set(row) == {"languages", "pass_at_k"}
        assert set(row["pass_at_k"]["1"]) == {"value", "interval"}
    assert set(verdict["left_out"][0]) == {"key", "sample"}


def test_values_are_those_of_the_results():
    verdict = build_verdict(ASKED, JUDGED, _SETTINGS)
    assert list(verdict.languages) == ["rust", "go", "python"]
    assert verdict.languages["rust"].role == "learn"
    cell = cell_of(verdict)
    assert (cell.tasks, cell.samples) == (5, 5)
    expected = estimate_rate([[TaskScores([1, 0, 0, 0, 1], list("abcde"))]])
    assert cell.pass_at_k == {1: Rate(value=0.4, interval=expected.interval, tasks=5)}
    assert cell.passes.value == 0.4
    assert cell.parses_or_compiles.value == 0.6
    counts = {name: count for name, count in cell.outcomes.items() if count}
    assert counts == {"passed": 2, "wrong_answer": 1, "compile_error": 2}
    go = cell_of(verdict, "go")  # failures of the judge never count against a model
    assert (go.tasks, go.samples, go.pass_at_k[1].value) == (4, 4, 0.25)
    assert verdict.left_out == [Sample(key="starter/go/0", sample=0)]
    means = {role: (row.languages, row.pass_at_k[1].value) for role, row in verdict.means.items()}
    assert means == {
        "learn": (["rust", "go"], pytest.approx((0.4 + 0.25) / 2)),
        "keep": (["python"], pytest.approx(0.8)),
        "all": (["rust", "go", "python"], pytest.approx((0.4 + 0.25 + 0.8) / 3)),
    }


def test_failures_are_counted_by_how_far_the_programs_came():
    ends = ["compile_error", "compile_timeout", "memory_limit", "harness_error", "passed", "wrong_answer"]
    ends += ["runtime_error", "timeout", "memory_limit", "output_limit", "tests_not_completed"]
    asked = problems("rust", len(ends))
    judged = [
        {"key": one.key, "sample": 0, "outcome": end, "stage": "compile" if number < 3 else "run"}
        for number, (one, end) in enumerate(zip(asked, ends, strict=True))
    ]
    cell = cell_of(build_verdict(asked, judged, _SETTINGS))
    assert list(cell.failures.values()) == [3, 1, 1, 1, 3]
    assert sum(count or 0 for count in cell.failures.values()) + cell.outcomes["passed"] == cell.samples


@pytest.mark.parametrize("form", ["own", "framework"])
@pytest.mark.parametrize("tells", [{"check": ("x",)}, {"uncompiled": "x"}], ids=str)
def test_where_no_toolchain_tells_what_parses_none_is_said_to(monkeypatch, form, tells):
    commands: dict[str, Any] = {"run": ("x",)} if form == "own" else {"compile": ("x",), "test": ("x",)}
    toolchain = Toolchain(executables={}, version=(), **commands)
    monkeypatch.setitem(TOOLCHAINS, "mine", toolchain)
    asked = [problem("mine", number, form=form) for number in range(2)]
    cell = cell_of(build_verdict(asked, results(asked, "pw"), _SETTINGS), "mine")
    assert (cell.parses_or_compiles, cell.failures["not_built"]) == (None, None)
    monkeypatch.setitem(TOOLCHAINS, "mine", replace(toolchain, **tells))
    cell = cell_of(build_verdict(asked, results(asked, "pw"), _SETTINGS), "mine")
    assert (cell.parses_or_compiles.value, cell.failures["not_built"]) == (1.0, 0)


def test_a_language_that_is_not_scored_has_a_reason_and_no_number():
    settings = replace(_SETTINGS, not_scored={"go": "go: not found; install golang-go"})
    verdict = build_verdict(ASKED, JUDGED, settings)
    assert verdict.not_scored == {"go": "go: not found; install golang-go"}
    assert "go" not in verdict.languages
    assert verdict.means["learn"].languages == ["rust"]
    assert verdict.left_out == []
    assert build_verdict(ASKED, results(RUST, "pwccp") + results(PYTHON, "ppppw"), settings) == verdict
    alone = build_verdict(GO, [], settings)
    assert (alone.languages, alone.means, alone.pass_at) == ({}, {}, [1])


def test_a_benchmark_that_the_judge_wholly_failed_on_is_not_a_0():
    verdict = build_verdict(RUST + GO, results(RUST, "pwccp") + results(GO, "hhhhh"), _SETTINGS)
    assert set(verdict.languages) == {"rust"}
    assert verdict.not_scored == {"go": "the judge failed on every sample of starter"}
    assert len(verdict.left_out) == 5


def test_flags_name_problems_of_the_set_only():
    settings = replace(_SETTINGS, flags={"starter/rust/3": "hollow", "humaneval-x/rust/Rust/32": "hollow"})
    assert build_verdict(ASKED, JUDGED, settings).flags == {"starter/rust/3": "hollow"}


def test_several_samples_give_more_k_as_far_as_each_problem_has_them_and_more_is_refused():
    five = results(RUST, "pwccp", "ppccw", "pwccw", "wwccp", "wwccp")
    verdict = build_verdict(RUST, five, _SETTINGS)
    assert verdict.pass_at == [1, 5]
    rates = cell_of(verdict).pass_at_k
    assert rates[1].value == pytest.approx((3 + 1 + 0 + 0 + 3) / 25)
    assert rates[5].value == pytest.approx(3 / 5)
    assert set(verdict.means["learn"].pass_at_k) == {1, 5}
    asked = build_verdict(RUST, five, replace(_SETTINGS, pass_at=(2,)))
    assert asked.pass_at == [1, 2]
    with pytest.raises(UserError, match=r"pass@10 needs .* there are 5; draw 10 .* or ask for pass@5"):
        build_verdict(RUST, five, replace(_SETTINGS, pass_at=(10,)))


def test_a_failure_of_the_judge_costs_its_task_the_larger_k_only():
    judged = results(RUST, "phwww", "wwwww")
    cell = cell_of(build_verdict(RUST, judged, replace(_SETTINGS, pass_at=(2,))))
    assert (cell.pass_at_k[1].tasks, cell.pass_at_k[2].tasks) == (5, 4)
    assert cell.pass_at_k[2].value == 0.25


def test_the_order_of_results_changes_nothing():
    asked = problems("rust", 8)
    judged = results(asked, "pwccpwcc", "ppcwwwcw", "wwwwpwpw")
    assert build_verdict(asked, judged[::-1], _SETTINGS) == build_verdict(asked, judged, _SETTINGS)
