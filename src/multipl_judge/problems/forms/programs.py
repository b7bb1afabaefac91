"""Six forms: prompt, completion and tests as each benchmark puts them together, with the harness of the language."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from string import Template

from multipl_judge.languages.guards import cpp_controls, cpp_tests, guard
from multipl_judge.languages.harnesses import HARNESSES, ending
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.python_guard import opening, python_program
from multipl_judge.languages.ruby_guard import ruby_program
from multipl_judge.languages.source_text import bare_code, function_name, without_comments
from multipl_judge.problems.forms.go_file import go_file, with_harness_imports
from multipl_judge.problems.forms.parts import callable_go_tests, closed, closed_class, entered
from multipl_judge.problems.problem import Problem

_PYTHON_MODULES = "math, re, sys, copy, datetime, itertools, collections, heapq, statistics, functools, hashlib, string"
# Crates that the declarations of HumanEval-X ask for in all 164 problems: how to bring them, and what uses them.
_CRATES = {
    "rand": ("use rand::Rng;\n", r"\brand::|\bRng\b|\bthread_rng\b|\bgen_range\b"),
    "regex": ("use regex::Regex;\n", r"\bregex::|\bRegex\b"),
    "md5": ("use md5;\n", r"\bmd5::"),
}


def human_eval_program(problem: Problem, completion: str, nonce: Nonce, setup: str = "") -> Program:
    """HumanEval: a function `check` asserts on the function under test.

    The completion may lack a newline; `setup` is code that stands before the prompt.
    """
    name = problem.entry_point or ""
    tests = re.sub(r"(?m)^check\(.*\)\s*\Z", "", problem.tests) + f"\ncheck({name})\n"
    return _python(problem, setup + problem.prompt, completion + "\n", tests, nonce)


def mbpp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MBPP: the completion is a whole module, the tests are assertions on it. The prompt is only text and stays out."""
    return _python(problem, problem.extra.get("setup", "") + "\n", completion + "\n", problem.tests, nonce)


def _python(problem: Problem, prompt: str, completion: str, tests: str, nonce: Nonce) -> Program:
    """A Python program: tests and completion meet in no process."""
    before, name = opening(prompt), problem.entry_point
    return Program("python", python_program(prompt + completion, tests, nonce, opening=before, entry_point=name), nonce)


def _ruby(problem: Problem, completion: str, tests: str, nonce: Nonce, test_case: str = "") -> Program:
    """A Ruby program: tests and completion meet in no process."""
    name = problem.entry_point or function_name(problem.prompt, "ruby") or ""
    code = ruby_program(problem.prompt, completion, tests, nonce, entry_point=name, test_case=test_case)
    return Program("ruby", code, nonce)


def starter_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The project's own set, and those of users: all it needs of a language is in its harness."""
    language, harness = problem.language, HARNESSES[problem.language]
    if language == "python":
        return _python(problem, problem.prompt, closed(problem, completion), problem.tests, nonce)
    if language == "ruby":
        tests = Template(harness.tests).substitute(tests=problem.tests)
        return _ruby(problem, closed(problem, completion), tests, nonce, "HarnessTests")
    first_class = re.search(r"\bclass\s+(\w+)", bare_code(problem.prompt, language))
    call = Template(harness.call).substitute(class_name=first_class[1] if first_class else "")
    tests = Template(harness.tests).substitute(tests=problem.tests)
    if language == "cpp":
        tests = cpp_tests(tests, problem.prompt)
    elif language == "rust":
        tests = re.sub(r"\bfn\s+tests\s*\(", "fn harness_tests(", tests, count=1)
    elif language == "go":
        tests = callable_go_tests(tests, problem.prompt)
    elif language == "java":
        tests = entered(tests)
    code = harness.opening + problem.prompt + closed(problem, completion)
    source = code + _guard(problem, completion, nonce) + tests + _ending(problem, nonce, call)
    source = go_file(source, tests=tests) if language == "go" else source
    return Program(language, source, nonce, harness.options, harness.wants)


def multipl_e_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MultiPL-E: in the older languages the tests begin with the closing of the function, or a completion holds it."""
    language, tests, call = problem.language, problem.tests, "harness_tests();"
    if language not in ("cpp", "rust", "java", "go", "ruby"):
        return starter_program(_mended(problem), completion, nonce)
    options: tuple[str, ...] = ()
    if language in ("cpp", "rust", "java"):
        closing, rest = tests.split("\n", 1)
        if language == "cpp":
            rest, options = cpp_tests(rest, problem.prompt), ("-std=c++17",)
        elif language == "java":
            rest = entered(rest)
        tests = f"{closing}\n{_guard(problem, completion, nonce)}{rest}"
    if language == "rust":
        tests, options = re.sub(r"\bfn\s+main\s*\(", "fn harness_tests(", tests, count=1), ("--edition=2015",)
    elif language == "go":
        tests, call = callable_go_tests(tests, problem.prompt), "harnessTests(t)"
    elif language == "java":
        first_class = re.findall(r"^class (\w+)", problem.prompt, re.MULTILINE)[0]
        call = _java_call(first_class)
    elif language == "ruby":
        test_case = re.findall(r"class (\w+) < Test::Unit::TestCase", tests)[0]
        return _ruby(problem, completion + "\n", tests, nonce, test_case)
    source = f"{problem.prompt}{completion}\n{tests}{_ending(problem, nonce, call)}"
    if language == "go":
        source = with_harness_imports(source)
    return Program(language, source, nonce, options, ("javatuples",) if language == "java" else ())


def _mended(problem: Problem) -> Problem:
    """A problem of MultiPL-E as the harness runs it, with what is no code of its language mended.

    Some block comments of its prompts are none (a quotation mark alone), so they are left out.
    """
    harness, prompt = HARNESSES[problem.language], problem.prompt
    if not isinstance(harness.comment, str):
        prompt = without_comments(prompt, problem.language)
    text = f"{prompt}\n\0\n{problem.tests}"
    for pattern, replacement in harness.multipl_e:
        text = re.sub(pattern, replacement, text)
    prompt, _, tests = text.partition("\n\0\n")
    return replace(problem, prompt=prompt, tests=tests.rstrip("\n") + "\n")


def mbxp_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MBXP: nothing stands between prompt, completion and tests; Ruby may go on in the line of the signature."""
    language = problem.language
    if language == "python":
        return human_eval_program(problem, completion, nonce)
    if language == "ruby":
        return _ruby(problem, closed(problem, completion), problem.tests, nonce)
    tests, code = problem.tests, closed(problem, completion)
    calls = {"cpp": "harness_tests();", "java": _java_call("Main"), "go": "harnessTests()"}
    if language == "cpp":
        tests = _guard(problem, completion, nonce) + cpp_tests(tests, problem.prompt)
    if language == "go":
        tests = callable_go_tests(tests, problem.prompt)
    if language == "java":
        tests, code = _guarded_main(problem, completion, nonce), closed_class(problem, completion)
    source = f"{problem.prompt}{code}{tests}{_ending(problem, nonce, calls[language])}"
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
    guarded = _guard(problem, completion, nonce) + cpp_tests(problem.tests, problem.prompt)
    code = problem.prompt + closed(problem, completion) + guarded
    source = f"#include <bits/stdc++.h>\n{code}{_ending(problem, nonce, 'harness_tests();')}"
    wants = tuple(name for name in ("boost", "openssl") if f"<{name}/" in code)
    return Program("cpp", source, nonce, ("-std=c++11",), wants)


def _x_java(problem: Problem, completion: str, nonce: Nonce) -> Program:
    code = f"{problem.prompt}{closed_class(problem, completion)}\n{_guarded_main(problem, completion, nonce)}"
    return Program("java", code + ending("java", nonce, _java_call("Main")), nonce)


def _x_go(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Imports of the prompt, of the tests, and of common packages, as far as they are used."""
    tests = callable_go_tests(problem.tests, problem.prompt)
    source = "".join([problem.prompt, closed(problem, completion), tests, ending("go", nonce, "harnessTests(t)")])
    imports = problem.extra["test_setup"] + "\n" + problem.extra["import"]
    return Program("go", go_file(source, imports, tests), nonce, wants=("testify",))


def _x_rust(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Test functions become functions that the ending calls; crates that nothing uses are not asked for."""
    tests = without_comments(problem.tests, "rust").replace("#[cfg(test)]", "")
    names = re.findall(r"#\[test\]\s*(?:pub\s+)?fn\s+(\w+)", tests)
    tests = re.sub(r"#\[test\]\s*(?:pub\s+)?fn\s+", "pub fn harness_", tests)
    module = re.search(r"\bmod\s+(\w+)", tests)
    calls = "\n    ".join(f"{module[1]}::harness_{name}();" for name in names) if module else ""
    prompt = re.sub(r"(?m)^use (?:rand|regex|md5)\b[^\n]*\n", "", problem.prompt)
    code = prompt + closed(problem, completion) + _guard(problem, completion, nonce) + tests
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


def _guard(problem: Problem, completion: str, nonce: Nonce) -> str:
    return guard(problem.language, nonce, prompt=problem.prompt, completion=completion, tests=problem.tests)


def _ending(problem: Problem, nonce: Nonce, call: str) -> str:
    controls = cpp_controls(nonce, problem.prompt + problem.tests) if problem.language == "cpp" else ""
    return ending(problem.language, nonce, call, controls)


def _java_call(tests: str) -> str:
    """What runs the tests of a Java class, and then its control."""
    return f"{tests}.main(arguments); if (!{tests}.harness_control()) return;"


def _guarded_main(problem: Problem, completion: str, nonce: Nonce) -> str:
    """Java tests whose class `Main` is not public, as the ending's class is, and begins with the guard."""
    tests = entered(problem.tests).replace("public class Main", "class Main", 1)
    head, mark, rest = tests.partition("class Main {")
    return head + mark + _guard(problem, completion, nonce) + rest
