"""The form of the project's own set, and of the sets of users: all it needs of a language is in its harness."""

import re
from string import Template

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.python_guard import with_snapshot
from multipl_moe.languages.source_text import bare_code
from multipl_moe.problems.forms.closing import closed
from multipl_moe.problems.forms.go_file import go_file
from multipl_moe.problems.problem import Problem


def starter_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Prompt, completion, the closing of its function, tests, ending."""
    harness = HARNESSES[problem.language]
    tests = Template(harness.tests).substitute(
        tests=problem.tests,
        quoted=repr(problem.tests),
        watched=f", {problem.entry_point}=harness_watch({problem.entry_point})" if problem.entry_point else "",
    )
    first_class = re.search(r"\bclass\s+(\w+)", bare_code(problem.prompt, problem.language))
    call = Template(harness.call).substitute(class_name=first_class[1] if first_class else "")
    prompt = with_snapshot(problem.prompt) if problem.language == "python" else problem.prompt
    source = "".join([prompt, closed(problem, completion), harness.guard, tests, ending(problem.language, nonce, call)])
    if problem.language == "go":
        source = go_file(source)
    return Program(problem.language, source, nonce, harness.options, harness.wants)
