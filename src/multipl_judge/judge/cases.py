"""Programs that answer: for each standard input a run of its own, whose output is compared outside of the program."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished

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
            told = f"\ncase {number} of {len(cases)}: input {shown(given)}, expected {shown(expected)}\n"
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


def shown(text: str) -> str:
    """The beginning of a text, as a literal."""
    return repr(text[:_SHOWN_CHARACTERS]) + "..." * (len(text) > _SHOWN_CHARACTERS)
