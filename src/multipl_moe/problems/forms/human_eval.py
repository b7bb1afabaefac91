"""HumanEval: a function `check` asserts on the function it is given."""

import re

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.python_guard import with_snapshot
from multipl_moe.problems.problem import Problem


def human_eval_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Prompt, completion, a newline that the completion may lack, tests, and the check of the watched function."""
    setup = problem.extra.get("setup", "")
    name = problem.entry_point
    tests = re.sub(r"(?m)^check\(.*\)\s*\Z", "", problem.tests)
    call = ending("python", nonce, f"check(harness_watch({name}))")
    source = f"{setup}{with_snapshot(problem.prompt)}{completion}\n{HARNESSES['python'].guard}\n{tests}\n{call}"
    return Program("python", source, nonce)
