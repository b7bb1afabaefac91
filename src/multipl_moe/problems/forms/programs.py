"""Six forms: prompt, completion and tests as each benchmark puts them together, with the harness of the language."""

import re
from collections.abc import Callable, Mapping
from string import Template

from multipl_moe.languages.harnesses import HARNESSES, RUBY_CASES, ending
from multipl_moe.languages.program import Nonce, Program
from multipl_moe.languages.python_guard import SNAPSHOT, with_snapshot
from multipl_moe.languages.source_text import bare_code, without_comments
from multipl_moe.problems.forms.go_file import go_file, with_harness_imports
from multipl_moe.problems.forms.parts import callable_cpp_tests, callable_go_tests, closed, closed_class
from multipl_moe.problems.problem import Problem

_PYTHON_GUARD, _CPP_GUARD = HARNESSES["python"].guard, HARNESSES["cpp"].guard
_PYTHON_MODULES = "math, re, sys, copy, datetime, itertools, collections, heapq, statistics, functools, hashlib, string"
# Crates that the declarations of HumanEval-X ask for in all 164 problems: how to bring them, and what uses them.
_CRATES = {
    "rand": ("use rand::Rng;\n", r"\brand::|\bRng\b|\bthread_rng\b|\bgen_range\b"),
    "regex": ("use regex::Regex;\n", r"\bregex::|\bRegex\b"),
    "md5": ("use md5;\n", r"\bmd5::"),
}


def human_eval_program(problem: Problem, completion: str, nonce: Nonce, setup: str = "") -> Program:
    """HumanEval: a function `check` asserts on the watched function.

    The completion may lack a newline; `setup` is code that stands before the prompt.
    """
    tests = re.sub(r"(?m)^check\(.*\)\s*\Z", "", problem.tests)
    call = ending("python", nonce, f"check(harness_watch({problem.entry_point}))")
    source = f"{setup}{with_snapshot(problem.prompt)}{completion}\n{_PYTHON_GUARD}\n{tests}\n{call}"
    return Program("python", source, nonce)


def mbpp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MBPP: the completion is a whole module, the tests are assertions on it. The prompt is only text and stays out."""
    setup = problem.extra.get("setup", "")
    if setup:
        setup += f"\n{SNAPSHOT}"
    source = f"{setup}\n{completion}\n{_PYTHON_GUARD}{_tests(problem)}{ending('python', nonce, '')}"
    return Program("python", source, nonce)


def starter_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The project's own set, and those of users: all it needs of a language is in its harness."""
    language, harness = problem.language, HARNESSES[problem.language]
    first_class = re.search(r"\bclass\s+(\w+)", bare_code(problem.prompt, language))
    call = Template(harness.call).substitute(class_name=first_class[1] if first_class else "")
    prompt = with_snapshot(problem.prompt) if language == "python" else problem.prompt
    parts = [prompt, closed(problem, completion), harness.guard, _tests(problem), ending(language, nonce, call)]
    source = "".join(parts)
    return Program(language, go_file(source) if language == "go" else source, nonce, harness.options, harness.wants)


def multipl_e_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MultiPL-E: the tests begin with the closing of the function, so a completion is one without it."""
    language, tests, call = problem.language, problem.tests, "harness_tests();"
    options: tuple[str, ...] = ()
    if language == "cpp":
        closing, rest = tests.split("\n", 1)
        tests, options = f"{closing}\n{_CPP_GUARD}{callable_cpp_tests(rest)}", ("-std=c++17",)
    elif language == "rust":
        tests, options = re.sub(r"\bfn\s+main\s*\(", "fn harness_tests(", tests, count=1), ("--edition=2015",)
    elif language == "go":
        tests, call = callable_go_tests(tests), "harnessTests(t)"
    elif language == "java":
        first_class = re.findall(r"^class (\w+)", problem.prompt, re.MULTILINE)[0]
        call = f"{first_class}.main(arguments);"
    else:
        test_case = re.findall(r"class (\w+) < Test::Unit::TestCase", tests)[0]
        call = RUBY_CASES.replace("$test_case", test_case)
    source = f"{problem.prompt}{completion}\n{tests}{ending(language, nonce, call)}"
    if language == "go":
        source = with_harness_imports(source)
    return Program(language, source, nonce, options, ("javatuples",) if language == "java" else ())


def mbxp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MBXP: nothing stands between prompt, completion and tests; Ruby may go on in the line of the signature."""
    language = problem.language
    if language == "python":
        return human_eval_program(problem, completion, nonce)
    tests, code = problem.tests, closed(problem, completion)
    calls = {"cpp": "harness_tests();", "java": "Main.main(arguments);", "go": "main()", "ruby": ""}
    if language == "cpp":
        tests = _CPP_GUARD + callable_cpp_tests(tests)
    if language == "java":
        tests, code = _private_main(tests), closed_class(problem, completion)
    source = f"{problem.prompt}{code}{tests}{ending(language, nonce, calls[language])}"
    if language == "go":
        source = with_harness_imports(source)
    return Program(language, source, nonce, ("-std=c++17",) if language == "cpp" else ())


def humaneval_x_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """HumanEval-X: tests of five languages, each in the manner of its own."""
    return _HUMANEVAL_X[problem.language](problem, completion, nonce)


def _x_python(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The modules that every program may use; a completion ends at its first line that is not indented.

    Not one that defines the function itself, after the one that the prompt opens.
    """
    is_module = re.search(rf"^def[ \t]+{problem.entry_point}\b", completion, re.MULTILINE)
    body = completion if is_module else re.split(r"\n(?=\S)", completion, maxsplit=1)[0]
    setup = f"import {_PYTHON_MODULES}\nfrom typing import *\n"
    wants: tuple[str, ...] = ()
    if re.search(r"\b(?:np|numpy)\b", problem.prompt + body + problem.tests):
        setup += "import numpy\nimport numpy as np\n"
        wants = ("numpy",)
    return Program("python", human_eval_program(problem, body, nonce, setup).source, nonce, wants=wants)


def _x_cpp(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Every standard header, for the prompts include only some of those that their solutions use."""
    code = "".join([problem.prompt, closed(problem, completion), _CPP_GUARD, callable_cpp_tests(problem.tests)])
    source = f"#include <bits/stdc++.h>\n{code}{ending('cpp', nonce, 'harness_tests();')}"
    wants = tuple(name for name in ("boost", "openssl") if f"<{name}/" in code)
    return Program("cpp", source, nonce, ("-std=c++11",), wants)


def _x_java(problem: Problem, completion: str, nonce: Nonce) -> Program:
    code = f"{problem.prompt}{closed_class(problem, completion)}\n{_private_main(problem.tests)}"
    return Program("java", code + ending("java", nonce, "Main.main(arguments);"), nonce)


def _x_go(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Imports of the prompt, of the tests, and of common packages, as far as they are used."""
    tests = callable_go_tests(problem.tests)
    source = "".join([problem.prompt, closed(problem, completion), tests, ending("go", nonce, "harnessTests(t)")])
    imports = problem.extra["test_setup"] + "\n" + problem.extra["import"]
    return Program("go", go_file(source, imports), nonce, wants=("testify",))


def _x_rust(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Test functions become functions that the ending calls; crates that nothing uses are not asked for."""
    tests = without_comments(problem.tests, "rust").replace("#[cfg(test)]", "")
    names = re.findall(r"#\[test\]\s*(?:pub\s+)?fn\s+(\w+)", tests)
    tests = re.sub(r"#\[test\]\s*(?:pub\s+)?fn\b", "pub fn", tests)
    module = re.search(r"\bmod\s+(\w+)", tests)
    calls = "\n    ".join(f"{module[1]}::{name}();" for name in names) if module else ""
    prompt = re.sub(r"(?m)^use (?:rand|regex|md5)\b[^\n]*\n", "", problem.prompt)
    code = prompt + closed(problem, completion) + tests
    bare = bare_code(code, "rust")
    used = tuple(name for name, (_, pattern) in _CRATES.items() if re.search(pattern, bare))
    uses = "".join(_CRATES[name][0] for name in used)
    return Program("rust", uses + code + ending("rust", nonce, calls), nonce, ("--edition=2021",), used)


_HUMANEVAL_X: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "python": _x_python,
    "cpp": _x_cpp,
    "java": _x_java,
    "go": _x_go,
    "rust": _x_rust,
}


def _private_main(tests: str) -> str:
    """Java tests whose class `Main` is not public, as the ending's class is."""
    return tests.replace("public class Main", "class Main", 1)


def _tests(problem: Problem) -> str:
    """Tests in the starter form: `$quoted` for Python, with the watched function, `$tests` for other languages."""
    name = problem.entry_point
    watched = f", {name}=harness_watch({name})" if name else ""
    harness = HARNESSES[problem.language]
    return Template(harness.tests).substitute(tests=problem.tests, quoted=repr(problem.tests), watched=watched)
