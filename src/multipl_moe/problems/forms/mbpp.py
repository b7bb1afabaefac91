"""MBPP: the completion is a whole module, the tests are assertions on it."""

from string import Template

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.python_guard import SNAPSHOT
from multipl_moe.problems.problem import Problem


def mbpp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Set-up code, completion, assertions. The prompt is text in a docstring and stays out."""
    name = problem.entry_point
    harness = HARNESSES["python"]
    tests = Template(harness.tests).substitute(
        tests="", quoted=repr(problem.tests), watched=f", {name}=harness_watch({name})" if name else ""
    )
    setup = problem.extra.get("setup", "")
    if setup:
        setup += f"\n{SNAPSHOT}"
    source = f"{setup}\n{completion}\n{harness.guard}{tests}{ending('python', nonce, '')}"
    return Program("python", source, nonce)
