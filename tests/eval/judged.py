"""Problems and results made by hand."""

from typing import Any

from multipl_judge.problems.problem import Problem


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
        {
            "key": one.key,
            "sample": sample,
            "outcome": outcomes[letter],
            "stage": "compile" if letter == "c" else "run",
        }
        for sample, line in enumerate(letters)
        for one, letter in zip(asked, line, strict=True)
    ]
