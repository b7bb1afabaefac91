from collections import Counter

import pytest

from multipl_moe.languages.seal import Seal
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.forms.stops import cut_at_stop
from multipl_moe.problems.humaneval_x import read_humaneval_x
from multipl_moe.problems.problem import Problem
from tests.problems.samples import BENCH, HUMANEVAL_X, write_rows


@pytest.fixture(scope="module")
def problems() -> dict[str, Problem]:
    return {problem.id: problem for problem in read_humaneval_x(BENCH / "humaneval-x")}


def test_five_languages_have_164_problems_with_references(problems):
    assert Counter(problem.language for problem in problems.values()) == dict.fromkeys(
        ("python", "cpp", "java", "go", "rust"), 164
    )
    assert all(problem.reference for problem in problems.values())
    assert problems["Rust/7"].cluster == problems["CPP/7"].cluster == "HumanEval/7"


def test_javascript_is_passed_over(tmp_path):
    rows = [{**HUMANEVAL_X["go"], "task_id": "JavaScript/900"}, HUMANEVAL_X["go"]]
    assert [problem.id for problem in read_humaneval_x(write_rows(tmp_path / "a.jsonl", rows))] == ["Go/900"]


def test_no_stop_string_cuts_into_a_reference(problems):
    for problem in problems.values():
        assert problem.reference is not None
        left = problem.reference[len(cut_at_stop(problem.reference, problem.stop)) :]
        assert set(left) <= set(" \n}") or problem.id == "CPP/94", problem.id


def test_only_what_a_program_uses_is_wanted(problems):
    wants = {
        problem.id: program.wants
        for problem in problems.values()
        if (program := program_of(problem, problem.reference or "", Seal(1, 2))).wants
    }
    assert {name: extras for name, extras in wants.items() if name.startswith("Rust")} == {
        "Rust/38": ("rand",),
        "Rust/50": ("rand",),
        "Rust/53": ("rand",),
        "Rust/91": ("regex",),
        "Rust/162": ("md5",),
    }
    assert {name: extras for name, extras in wants.items() if name.startswith("CPP")} == {
        "CPP/22": ("boost",),
        "CPP/137": ("boost",),
        "CPP/162": ("openssl",),
    }
    assert sum(extras == ("testify",) for extras in wants.values()) == 164


def test_a_python_completion_ends_at_its_first_line_that_is_not_indented(problems):
    problem = problems["Python/0"]
    source = program_of(problem, "    return 1\nprint('more')\n    x", Seal(1, 2)).source
    assert "    return 1\n" in source
    assert "print('more')" not in source
