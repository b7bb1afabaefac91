"""Rows of programs that are written: what they become, and what is refused about them."""

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.languages.program import Nonce
from multipl_judge.problems import written
from multipl_judge.problems.written import read_written

ANSWERS = {"language": "Py", "program": "print(input())", "cases": [{"input": "1", "output": "1"}]}
TESTED = {
    "language": "rb",
    "prompt": "def f(n)\n",
    "completion": "  n\nend\nputs 1",
    "tests": "assert_equal(1, f(1))\n",
}
CALLS = [{"arguments": [1], "answer": 1}]
GO = {**TESTED, "language": "go", "prompt": "package main\n\nfunc f(n int) int {\n", "completion": "\treturn n\n}"}


def test_arguments_and_answers_are_compared_outside():
    _, program = read_written({**GO, "tests": CALLS, "stop": ["\n}"]}, "here")
    assert (program.cases, program.tolerance) == ((("f(1)", "1"),), 0.0)
    assert program.source.count("\treturn n\n}\n") == 1


def test_a_program_keeps_its_text_and_its_cases():
    make, program = read_written({**ANSWERS, "id": 7, "prompt": "whatever"}, "here")
    assert (program.language, program.source, program.cases) == ("python", "print(input())", (("1", "1"),))
    assert make(Nonce(0, 0)) == program


def test_a_completion_is_cut_and_goes_into_the_form_that_is_named(monkeypatch):
    seen = []

    def form(problem, completion, nonce):
        seen.append((problem.form, problem.language, problem.entry_point, problem.extra, completion))
        return written.Program(problem.language, completion, nonce)

    monkeypatch.setattr(written, "program_of", form)
    read_written({**TESTED, "stop": ["\nend"]}, "here")
    read_written({**TESTED, "form": "multipl_e", "extra": {"setup": "x"}}, "here")
    read_written({**TESTED, "form": "multipl_e", "entry_point": "g"}, "here")
    assert seen == [
        ("starter", "ruby", None, {}, "  n"),
        ("multipl_e", "ruby", "f", {"setup": "x"}, TESTED["completion"]),
        ("multipl_e", "ruby", "g", {}, TESTED["completion"]),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**ANSWERS, "language": "pyhton"}, "language: no language 'pyhton' can be judged; did you mean 'python'"),
        ({**ANSWERS, "language": 3}, "language: Input should be a valid string"),
        ({**ANSWERS, "cases": []}, 'cases: give a list of one or more, each {"input": '),
        ({**ANSWERS, "cases": [["21", "42"]]}, 'cases: give a list of one or more, each {"input": '),
        (
            {"language": "python", "progam": "x", "cases": ANSWERS["cases"]},
            "program: Field required; the row has 'progam'",
        ),
        ({"language": "python", "program": "x", "case": []}, "`completion` and `tests`; the row has 'case'"),
        ({"language": "python", "cases": ANSWERS["cases"]}, "program: Field required"),
        ({**ANSWERS, **TESTED}, "give `program` and `cases`, or `prompt`, `completion` and `tests`"),
        ({**TESTED, "tests": [{"arguments": [1]}]}, "tests.calls.0.answer: Field required"),
        ({**TESTED, "tests": CALLS, "form": "mbpp"}, "form: not with arguments and answers"),
        ({**GO, "tests": [{"arguments": [1, 2], "answer": 1}]}, "f has 1 parameters, a case 2 arguments"),
        ({**TESTED, "form": "stdin"}, "form: 'stdin' is none; there are human_eval, "),
        ({**TESTED, "language": "java", "form": "multipl_e"}, "form 'multipl_e' makes no java program of this prompt"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_with_its_place(row, told):
    with pytest.raises(ConfigError) as error:
        read_written(row, "a.jsonl, line 3")
    assert error.value.problems[0].startswith("a.jsonl, line 3: ")
    assert told in error.value.problems[0]


def test_a_field_of_its_own_is_not_taken_for_a_misspelt_one():
    with pytest.raises(ConfigError) as error:
        read_written({"language": "python", "prompt": "x", "cases": ANSWERS["cases"]}, "a.jsonl, line 3")
    assert error.value.problems == ["a.jsonl, line 3: program: Field required"]
