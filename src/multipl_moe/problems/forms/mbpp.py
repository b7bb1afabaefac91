"""MBPP: the completion is a whole module, the tests are assertions on it."""

from string import Template

from multipl_moe.judge.program import Program
from multipl_moe.languages.frames import FRAMES, ending
from multipl_moe.languages.python_guard import SNAPSHOT
from multipl_moe.languages.seal import Seal
from multipl_moe.problems.problem import Problem


def mbpp_program(problem: Problem, completion: str, seal: Seal) -> Program:
    """Set-up code, completion, assertions. The prompt is text in a docstring and stays out."""
    name = problem.entry_point
    frame = FRAMES["python"]
    tests = Template(frame.tests).substitute(
        tests="", quoted=repr(problem.tests), watched=f", {name}=sealed_watch({name})" if name else ""
    )
    setup = problem.extra.get("setup", "")
    if setup:
        setup += f"\n{SNAPSHOT}"
    source = f"{setup}\n{completion}\n{frame.guard}{tests}{ending('python', seal, '')}"
    return Program("python", source, seal)
