"""No evil program passes a problem whose answers are compared outside: some of them on one of the starter set each.

All programs on all problems take half an hour: MULTIPL_MOE_EVIL=all, with --timeout=0.
"""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter
from tests.multipl_judge.judge.test_evil import CHEATS, EVIL, LANGUAGES, WRITTEN

_ALL = os.environ.get("MULTIPL_MOE_EVIL") == "all"
_DRAWN = 8
_JAVA_ZEROS = {"boolean": "false", "int": "0"}


def evil_program(problem: Problem, source: str, nonce: Nonce) -> Program:
    """The program as an answer to any problem: its function by another name, or beside one that answers nothing."""
    if problem.language in ("python", "ruby"):
        source = source.replace("def double_number(n)", "def double_number(n, *others)")
        source = source.replace("double_number", problem.entry_point or "")
        return program_of(replace(problem, prompt=""), source, nonce)
    kind = problem.prompt.rstrip().rpartition("\n")[2]
    nothing = {
        "cpp": "return {};",
        "rust": "Default::default()",
        "go": f"return *new({kind.rpartition(')')[2].strip(' {')})",
        "java": f"return {_JAVA_ZEROS.get(kind.split()[1], 'null')};",
    }
    return program_of(problem, f"{nothing[problem.language]}\n}}\n{source}", nonce)


@pytest.mark.extended
@pytest.mark.parametrize("language", sorted({*LANGUAGES.values()}))
def test_no_evil_program_passes_a_problem_that_it_does_not_solve(language, bubblewrap):
    problems = [problem for problem in read_starter([language]) if problem.id != "double_number"]
    tasks: dict[str, Task] = {}
    names = [name for name in CHEATS if LANGUAGES[Path(name).suffix] == language]
    for name in names if _ALL else Random(language).sample(names, _DRAWN):
        source = WRITTEN[name] if name in WRITTEN else (EVIL / name).read_text()
        for problem in problems if _ALL else Random(name).sample(problems, 1):
            make = partial(evil_program, problem, source)
            key = f"{name} on {problem.id}"
            tasks[key] = Task(key, lambda make=make: make(Nonce.draw()))
    judged: dict[str, Judgement] = {}
    judge_all(tasks.values(), on_result=lambda task, judgement: judged.update({task.key: judgement}))
    assert judged.keys() == tasks.keys()
    uncompiled = [key for key, judgement in judged.items() if judgement.outcome == Outcome.compile_error]
    assert len(uncompiled) < len(judged) / 2, "most do run, or nothing is shown"
    assert [key for key, judgement in judged.items() if judgement.outcome == Outcome.passed] == []
    harmed = [f"{key}: {one.output}" for key, one in judged.items() if one.outcome == Outcome.harness_error]
    assert harmed == []
