"""Functions that answer: what a program printed for its calls, compared with what is expected outside of it."""

import json
import math
from typing import Any, TypeGuard, cast

from multipl_judge.judge.cases import shown
from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.program import Program


def answers_outcome(program: Program, stdout: bytes) -> tuple[Outcome, str]:
    """The outcome that the answers of a program mean, and what to say of the first wrong one.

    A line that the program did not end, because it was stopped, is no answer. More answers than calls are none at all,
    or a program could guess.
    """
    lines = stdout.decode(errors="surrogateescape").split("\n")[:-1]
    mark = program.nonce.mark
    answers = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    for answer, (call, expected) in zip(answers, program.cases, strict=False):
        if not same_answer(answer, expected, program.tolerance or 0.0):
            return Outcome.wrong_answer, f"\n{call} is {shown(answer.strip())}, expected {shown(expected)}\n"
    if len(answers) != len(program.cases):
        return Outcome.tests_not_completed, f"\n{len(answers)} answers to {len(program.cases)} calls\n"
    return Outcome.passed, ""


def same_answer(answer: str, expected: str, tolerance: float) -> bool:
    """Whether two texts of JSON mean the same value.

    Args:
        answer: as the program printed it; what is no JSON equals nothing.
        expected: the right one.
        tolerance: how far a number may be from the expected one, where either is not a whole one: absolutely, or
            relative to an expected one above 1.
    """
    try:
        return _same(json.loads(answer), json.loads(expected), tolerance)
    except (ValueError, RecursionError, OverflowError):
        return False


def _same(value: Any, want: Any, tolerance: float) -> bool:
    if isinstance(want, list) and isinstance(value, list):
        pairs = zip(cast(list[Any], value), cast(list[Any], want), strict=False)
        return len(cast(list[Any], value)) == len(cast(list[Any], want)) and all(
            _same(*pair, tolerance) for pair in pairs
        )
    if isinstance(want, dict) and isinstance(value, dict):
        mine, wanted = cast(dict[str, Any], value), cast(dict[str, Any], want)
        return mine.keys() == wanted.keys() and all(_same(mine[key], wanted[key], tolerance) for key in wanted)
    return _same_leaf(value, want, tolerance)


def _same_leaf(value: Any, want: Any, tolerance: float) -> bool:
    if isinstance(want, bool) or isinstance(value, bool) or not (_is_number(want) and _is_number(value)):
        return type(value) is type(want) and value == want
    if isinstance(want, int) and isinstance(value, int):
        return value == want
    if math.isnan(want):
        return math.isnan(value)
    return value == want or abs(value - want) <= tolerance * max(1.0, abs(want)) < math.inf


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float)
