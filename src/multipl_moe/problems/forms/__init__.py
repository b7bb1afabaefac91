"""Forms: how prompt, completion and tests of a problem become one program that proves that its tests ran."""

from collections.abc import Callable, Mapping

from multipl_moe.languages.program import Nonce, Program
from multipl_moe.problems.forms.answering import stdin_program
from multipl_moe.problems.forms.framework import framework_program
from multipl_moe.problems.forms.parts import broken_reference, tests_run
from multipl_moe.problems.forms.programs import (
    human_eval_program,
    humaneval_x_program,
    mbpp_program,
    mbxp_program,
    multipl_e_program,
    starter_program,
)
from multipl_moe.problems.problem import Problem

__all__ = ["FORMS", "broken_reference", "program_of", "tests_run"]

FORMS: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "human_eval": human_eval_program,
    "mbpp": mbpp_program,
    "multipl_e": multipl_e_program,
    "humaneval_x": humaneval_x_program,
    "mbxp": mbxp_program,
    "starter": starter_program,
    "stdin": stdin_program,
    "framework": framework_program,
}


def program_of(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The program that tests a completion.

    Args:
        problem: what was asked.
        completion: what a model answered, already cut at the problem's stop strings.
        nonce: what the program must print last to pass.
    """
    return FORMS[problem.form](problem, completion, nonce)
