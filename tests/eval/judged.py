"""Problems, results and scores of tasks, made by hand or drawn."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import strategies as st

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task
from multipl_judge.problems.problem import Problem
from multipl_moe.eval.clusters import TaskScores
from multipl_moe.runs.verdict import Cells


def problem(language: str, number: int, benchmark: str = "starter", **values: Any) -> Problem:
    """Problem `number`, which is the same in every language."""
    fields = {"prompt": f"def f{number}():\n", "tests": f"check({number})", "form": "own", "stop": ()}
    return Problem(benchmark, str(number), language, cluster=f"{benchmark}/{number}", **(fields | values))


def problems(language: str, count: int, benchmark: str = "starter") -> list[Problem]:
    """Problems 0 to count - 1."""
    return [problem(language, number, benchmark) for number in range(count)]


def results(asked: list[Problem], *letters: str) -> list[dict[str, Any]]:
    """One sample of each problem for each string: p passed, w wrong answer, c compile error, h harness error."""
    outcomes = {"p": "passed", "w": "wrong_answer", "c": "compile_error", "h": "harness_error"}
    return [
        {"key": one.key, "sample": sample, "outcome": outcomes[letter], "stage": "compile" if letter == "c" else "run"}
        for sample, line in enumerate(letters)
        for one, letter in zip(asked, line, strict=True)
    ]


def judge_nothing(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[str]:
    """Stands in for judging in a module, and names the beginnings of programs; what is "broken" breaks the judge."""
    seen: list[str] = []

    def judge_all(tasks: Iterable[Task], *, on_result: Callable[[Task, Judgement], None], **ways: Any) -> None:
        for task in tasks:
            source = task.make_program().source
            seen.append(source[:20])
            outcome = Outcome.harness_error if "broken" in source else Outcome.passed
            on_result(task, Judgement(outcome, "run", "x" * 4096, 0.0, 0.0, 0))

    monkeypatch.setattr(module, "judge_all", judge_all)
    return seen


def cell_of(cells: Cells[Any], language: str = "rust") -> Any:
    """That of the starter set in a language, which is there."""
    return cells.languages[language].benchmarks["starter"]


def scores_of(*values: float, prefix: str = "task") -> TaskScores:
    """Tasks with these values, each a cluster of its own."""
    return TaskScores(values, [f"{prefix}/{index}" for index in range(len(values))])


@st.composite
def languages_of(draw: st.DrawFn, values: list[float]) -> list[list[TaskScores]]:
    """One to three languages with one or two sets, whose tasks share few clusters, within sets and across them."""

    def some_set(prefix: int) -> TaskScores:
        clusters = draw(st.lists(st.integers(0, 6), min_size=1, max_size=9))
        drawn = draw(st.lists(st.sampled_from(values), min_size=len(clusters), max_size=len(clusters)))
        return TaskScores(drawn, [f"{prefix}/{cluster}" for cluster in clusters])

    return [[some_set(name) for name in range(draw(st.integers(1, 2)))] for _ in range(draw(st.integers(1, 3)))]
