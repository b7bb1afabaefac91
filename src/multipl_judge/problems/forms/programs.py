"""Seven forms: what each benchmark puts together of prompt, completion and tests, with the harness of the language."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from string import Template

from multipl_judge.languages.guards import cpp_controls, cpp_tests, guard
from multipl_judge.languages.harnesses import HARNESSES, ending
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.python_guard import opening, python_program
from multipl_judge.languages.ruby_guard import ruby_program
from multipl_judge.languages.source_text import bare_code, function_name, masked, without_comments
from multipl_judge.problems.forms.go_file import go_file, with_harness_imports
from multipl_judge.problems.forms.parts import callable_go_tests, cases_of, closed, closed_class, entered
from multipl_judge.problems.problem import Problem

_PYTHON_MODULES = "math, re, sys, copy, datetime, itertools, collections, heapq, statistics, functools, hashlib, string"
_JAVA_PACKAGE = re.compile(r"^\s*package\s[^;]*;", re.MULTILINE)
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
    tests = Template(harness.tests).substitute(tests=problem.tests)
    if language == "ruby":
        return _ruby(problem, closed(problem, completion), tests, nonce, "HarnessTests")
    first_class = re.search(r"\bclass\s+(\w+)", bare_code(problem.prompt, language))
    call = Template(harness.call).substitute(class_name=first_class[1] if first_class else "")
    tests = _callable(problem, tests)
    code = harness.opening + problem.prompt + closed(problem, completion)
    source = code + _guard(problem, completion, nonce) + tests + _ending(problem, nonce, call)
    source = go_file(source, tests=tests) if language == "go" else source
    return Program(language, source, nonce, harness.options, harness.wants)


def _callable(problem: Problem, tests: str, name: str = "tests") -> str:
    """Tests that only the harness can run, in a function of this name, and whose words no completion changes."""
    if problem.language == "cpp":
        return cpp_tests(tests, problem.prompt)
    if problem.language == "rust":
        return re.sub(rf"\bfn\s+{name}\s*\(", "fn harness_tests(", tests, count=1)
    if problem.language == "go":
        return callable_go_tests(tests, problem.prompt)
    return entered(tests) if problem.language == "java" else tests


def multipl_e_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """MultiPL-E: in the older languages the tests begin with the closing of the function, or a completion holds it."""
    language, closing, tests = problem.language, "", problem.tests
    if language == "ruby":
        test_case = re.findall(r"class (\w+) < Test::Unit::TestCase", tests)[0]
        return _ruby(problem, completion + "\n", tests, nonce, test_case)
    if language not in ("cpp", "rust", "java", "go"):
        return starter_program(_mended(problem), completion, nonce)
    if language != "go":
        closing, tests = tests.split("\n", 1)
        closing += "\n"
    call, options = HARNESSES[language].call, HARNESSES[language].options
    if language == "rust":
        options = ("--edition=2015",)
    elif language == "java":
        call = _java_call(re.findall(r"^class (\w+)", problem.prompt, re.MULTILINE)[0])
    tests = _guard(problem, completion, nonce) + _callable(problem, tests, "main")
    source = f"{problem.prompt}{completion}\n{closing}{tests}{_ending(problem, nonce, call)}"
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
    code = closed(problem, completion)
    calls = {"cpp": "harness_tests();", "java": _java_call("Main"), "go": "harnessTests()"}
    if language == "java":
        code, tests = closed_class(problem, completion), _guarded_main(problem, completion, nonce)
    else:
        tests = _guard(problem, completion, nonce) + _callable(problem, problem.tests)
    source = f"{problem.prompt}{code}{tests}{_ending(problem, nonce, calls[language])}"
    if language == "go":
        source = with_harness_imports(source)
    return Program(language, source, nonce, HARNESSES[language].options)


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
    guarded = _guard(problem, completion, nonce) + _callable(problem, problem.tests)
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


def stdin_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """A whole program that only answers: it is judged by what it prints; tests and nonce are not in it."""
    language, source = problem.language, problem.prompt + completion
    if language == "java" and (clause := _JAVA_PACKAGE.search(masked(source, language))):
        source = source[: clause.start()] + source[clause.end() :]
    return Program(language, source, nonce, HARNESSES[language].options, cases=cases_of(problem))


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
