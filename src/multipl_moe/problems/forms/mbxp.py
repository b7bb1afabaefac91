"""MBXP: prompt, completion and tests with nothing between them."""

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms.closing import closed, closed_class
from multipl_moe.problems.forms.cpp_tests import without_main
from multipl_moe.problems.forms.go_file import with_harness_imports
from multipl_moe.problems.forms.human_eval import human_eval_program
from multipl_moe.problems.problem import Problem


def mbxp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The program in the manner of the problem's language; nothing is stripped, for a Ruby completion may go on in the
    line of the signature.
    """
    language = problem.language
    if language == "python":
        return human_eval_program(problem, completion, nonce)
    tests = problem.tests
    calls = {"cpp": "harness_tests();", "java": "Main.main(arguments);", "go": "main()", "ruby": ""}
    if language == "cpp":
        tests = HARNESSES["cpp"].guard + without_main(tests)
    if language == "java":
        tests = tests.replace("public class Main", "class Main", 1)
    code = closed_class(problem, completion) if language == "java" else closed(problem, completion)
    source = f"{problem.prompt}{code}{tests}{ending(language, nonce, calls[language])}"
    if language == "go":
        source = with_harness_imports(source)
    return Program(language, source, nonce, ("-std=c++17",) if language == "cpp" else ())
