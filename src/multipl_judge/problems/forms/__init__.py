"""Forms: how prompt, completion and tests of a problem become one program that proves that its tests ran."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from multipl_judge.languages.program import Nonce, Program, own_words, with_drawn_names
from multipl_judge.problems.forms.calling import calls_program
from multipl_judge.problems.forms.framework import framework_program
from multipl_judge.problems.forms.own_imports import with_imports_moved
from multipl_judge.problems.forms.parts import broken_reference, failing_body, tests_run
from multipl_judge.problems.forms.programs import (
    human_eval_program,
    humaneval_x_program,
    mbpp_program,
    mbxp_program,
    multipl_e_program,
    starter_program,
    stdin_program,
)
from multipl_judge.problems.problem import Problem

__all__ = ["FORMS", "broken_reference", "failing_body", "program_of", "tests_run"]

FORMS: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "human_eval": human_eval_program,
    "mbpp": mbpp_program,
    "multipl_e": multipl_e_program,
    "humaneval_x": humaneval_x_program,
    "mbxp": mbxp_program,
    "starter": starter_program,
    "stdin": stdin_program,
    "calls": calls_program,
    "framework": framework_program,
}


def program_of(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The program that tests a completion.

    Args:
        completion: what a model answered, already cut at the problem's stop strings.
        nonce: what the program must print last to pass.
    """
    prompt = problem.prompt
    if not problem.asks_for_file:
        prompt, completion = with_imports_moved(prompt, completion, problem.language)
    texts = {"prompt": prompt, "tests": problem.tests, "entry_point": problem.entry_point or ""}
    extra = {name: own_words(text) for name, text in problem.extra.items()}
    given = replace(problem, **{name: own_words(text) for name, text in texts.items()}, extra=extra)
    program = FORMS[problem.form](given, own_words(completion), nonce)
    drawn = {
        name: tuple((with_drawn_names(one, nonce), with_drawn_names(other, nonce)) for one, other in pairs)
        for name, pairs in (("cases", program.cases), ("files", program.files))
    }
    return replace(program, source=with_drawn_names(program.source, nonce), **drawn)
