"""Forms: how prompt, completion and tests of a problem become one program that proves that its tests ran."""

from collections.abc import Callable, Mapping

from multipl_moe.judge.program import Program
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms.broken import broken_reference
from multipl_moe.problems.forms.counting import tests_run
from multipl_moe.problems.forms.human_eval import human_eval_program
from multipl_moe.problems.forms.humaneval_x import humaneval_x_program
from multipl_moe.problems.forms.mbpp import mbpp_program
from multipl_moe.problems.forms.mbxp import mbxp_program
from multipl_moe.problems.forms.multipl_e import multipl_e_program
from multipl_moe.problems.forms.starter import starter_program
from multipl_moe.problems.forms.stops import cut_at_stop
from multipl_moe.problems.problem import Problem

__all__ = ["FORMS", "broken_reference", "cut_at_stop", "program_of", "tests_run"]

FORMS: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "human_eval": human_eval_program,
    "mbpp": mbpp_program,
    "multipl_e": multipl_e_program,
    "humaneval_x": humaneval_x_program,
    "mbxp": mbxp_program,
    "starter": starter_program,
}


def program_of(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The program that tests a completion.

    Args:
        problem: what was asked.
        completion: what a model answered, already cut at the problem's stop strings.
        nonce: what the program must print last to pass.
    """
    return FORMS[problem.form](problem, completion, nonce)
