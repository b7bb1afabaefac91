import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.judge.cases import run_cases, same_output
from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished


def finished(stdout: str, exit_code: int = 0) -> Finished:
    return Finished(exit_code, None, stdout.encode(), b"", wall_s=1.0, peak_bytes=len(stdout), stopped_by=None)


@pytest.mark.parametrize(
    ("printed", "expected", "is_same"),
    [
        ("3  \n\n\n", "3\n", True),
        ("1 2\n3", "1 2\n3\n", True),
        ("2.50", "2.5", True),
        ("1000 2", "1e3 2.0", True),
        ("1  +2.5", "1 2.5", True),
        ("101\n", "00000101\n", False),
        ("1000.0", "1000", False),
        ("1_000.0", "1000.0", False),
        ("1e9999999999999999999", "1.5", False),
        ("yes", "Yes", False),
        ("1 2", "1\n2", False),
        ("1 2", "12", False),
        ("\n3", "3", False),
        ("nan", "nan", True),
        ("x", "nan", False),
        ("", "3", False),
    ],
)
def test_outputs_are_compared_by_lines_and_numbers_by_value(printed, expected, is_same):
    assert same_output(printed, expected) is is_same


@pytest.mark.parametrize("part", ["1", "1.", ".1", "-1", "1e", "1 ", "1\n", "\n"])
def test_hostile_output_is_compared_in_proportion_to_its_length(part):
    started = time.thread_time()
    for expected in ("3", "3.0", part * (2**20 // len(part))):
        same_output(part * (2**20 // len(part)) + "x", expected)
    assert time.thread_time() - started < 5


@given(st.text())
def test_what_was_expected_is_right(text):
    assert same_output(text, text)
    assert same_output(text + "\n", text)


def test_the_first_case_that_fails_decides_and_is_told():
    asked = []

    def run(given: bytes) -> Finished:
        asked.append(given)
        return finished(given.decode())

    cases = (("1", "1"), ("2", "3"), ("4", "4"))
    outcome, last = run_cases(cases, run, lambda _: None)
    assert (outcome, asked, last.wall_s) == (Outcome.wrong_answer, [b"1", b"2"], 2.0)
    assert "case 2 of 3: input '2', expected '3'" in last.stderr.decode()
    outcome, last = run_cases(cases[::2], run, lambda _: None)
    assert (outcome, last.stdout) == (Outcome.passed, b"4")


def test_what_the_end_of_a_run_means_goes_before_its_output():
    outcome, _ = run_cases((("1", "1"),), lambda given: finished("1", 1), lambda _: Outcome.runtime_error)
    assert outcome == Outcome.runtime_error
