"""What programs answer, compared outside of them with what is expected.

A whole program has a run of its own for each standard input; a function prints the values of all its calls in one run.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard, cast

from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished
from multipl_judge.languages.program import Program

_SHOWN_CHARACTERS = 400
# Digits are taken once: a program may print a line of nothing else.
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")


def run_cases(
    cases: tuple[tuple[str, str], ...],
    run: Callable[[bytes], Finished],
    ending: Callable[[Finished], Outcome | None],
) -> tuple[Outcome, Finished]:
    """The outcome over all cases, which the first that fails decides, and the last run with the time of all.

    Args:
        cases: standard input, and what must be printed.
        run: runs the program on an input.
        ending: what the end of a run means by itself; None where it ended well.
    """
    seconds, peak = 0.0, 0
    outcome, finished = Outcome.passed, None
    for number, (given, expected) in enumerate(cases, start=1):
        finished = run(given.encode(errors="surrogateescape"))
        seconds, peak = seconds + finished.wall_s, max(peak, finished.peak_bytes)
        printed = finished.stdout.decode(errors="surrogateescape")  # what is no text is equal to none
        outcome = ending(finished) or (Outcome.passed if same_output(printed, expected) else Outcome.wrong_answer)
        if outcome != Outcome.passed:
            told = f"\ncase {number} of {len(cases)}: input {_shown(given)}, expected {_shown(expected)}\n"
            finished = replace(finished, stderr=finished.stderr + told.encode(errors="replace"))
            break
    assert finished is not None
    return outcome, replace(finished, wall_s=seconds, peak_bytes=peak)


def same_output(printed: str, expected: str) -> bool:
    """Whether two outputs have the same lines: white space at their ends, empty lines at the end, and how a number is
    written where the expected one has a point or an exponent ("2.50" and "2.5") do not count."""
    lines, wanted = _lines(printed), _lines(expected)
    return len(lines) == len(wanted) and all(
        line == want or _are_equal_numbers(line.split(), want.split()) for line, want in zip(lines, wanted, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _are_equal_numbers(words: list[str], wanted: list[str]) -> bool:
    return len(words) == len(wanted) and all(map(_is_equal_number, words, wanted))


def _is_equal_number(word: str, want: str) -> bool:
    if not (_NUMBER.fullmatch(word) and _NUMBER.fullmatch(want)):
        return False
    try:
        return word == want or (not want.lstrip("+-").isdigit() and Decimal(word) == Decimal(want))
    except InvalidOperation:
        return False


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
            return Outcome.wrong_answer, f"\n{call} is {_shown(answer.strip())}, expected {_shown(expected)}\n"
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


def _shown(text: str) -> str:
    """The beginning of a text, as a literal."""
    return repr(text[:_SHOWN_CHARACTERS]) + "..." * (len(text) > _SHOWN_CHARACTERS)
