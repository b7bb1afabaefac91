"""Answers compared outside of the program: equal ones are equal, others are not, however they are written."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_judge.judge.answers import answers_outcome, run_cases, same_answer, same_output
from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished
from multipl_judge.languages.program import Nonce, Program

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)


@settings(max_examples=30)
@given(VALUES, VALUES, st.floats())
def test_a_value_equals_itself_and_no_other(value, other, number):
    assert same_answer(json.dumps([value, number]), json.dumps([value, number], indent=1), 0.0)
    is_same = json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert same_answer(json.dumps(value), json.dumps(other), 1e-9) is is_same


@pytest.mark.parametrize(
    ("answer", "expected", "tolerance", "is_same"),
    [
        ("0.30000000000000004", "0.3", 0, False),
        ("0.30000000000000004", "0.3", 1e-9, True),
        ("1000000.5", "1000000.0", 1e-6, True),
        ("1000002.0", "1000000.0", 1e-6, False),
        ("10000001", "10000000", 1e-6, False),
        ("[2.0, 1e0]", "[2, 1]", 0, True),
        ("NaN", "NaN", 0, True),
        ("Infinity", "Infinity", 0, True),
        ("Infinity", "1.5", 1e9, False),
        ("NaN", "1.5", 1e9, False),
        ("1", "true", 0, False),
        ("0.5", "false", 1, False),
        ("null", "[]", 0, False),
        ('"1"', "1", 0, False),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}', 0, True),
        ('{"a": 2}', '{"a": 2, "b": 1}', 0, False),
        ("[1]", "[1, 2]", 0, False),
        ("1 2", "1", 0, False),
        ("[" * 100_000, "[]", 0, False),
        ("1" * 5_000, "1", 0, False),
        ("1" * 400, "1.5", 1e-6, False),
    ],
)
def test_numbers_may_differ_as_the_problem_says_and_nothing_else(answer, expected, tolerance, is_same):
    assert same_answer(answer, expected, tolerance) is is_same


def test_what_counts_is_one_marked_line_for_each_call_in_their_order():
    program = Program("python", "", Nonce(1, 2), cases=(("f(1)", "1"), ("f(2)", "2")), tolerance=0.0)
    one, two = f"{program.nonce.mark}1\n", f"{program.nonce.mark}2\n"
    outcomes = {
        f"said\n{one}\nsaid{two}\n{two}": Outcome.passed,
        one: Outcome.tests_not_completed,
        f"{one}{two}{two}": Outcome.tests_not_completed,
        f"{one}{program.nonce.mark}2": Outcome.tests_not_completed,
        f"{two}{one}": Outcome.wrong_answer,
        f"{one}answer 2\n": Outcome.tests_not_completed,
        f"{one}{program.nonce.mark}\xff\n": Outcome.wrong_answer,
    }
    assert {printed: answers_outcome(program, printed.encode("latin-1"))[0] for printed in outcomes} == outcomes
    _, told = answers_outcome(program, f"{one}{one}".encode())
    assert told == "\nf(2) is '1', expected '2'\n"


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
