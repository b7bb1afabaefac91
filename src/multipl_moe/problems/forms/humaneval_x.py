"""HumanEval-X: tests of five languages, each in the manner of its own."""

import re
from collections.abc import Callable, Mapping

from multipl_moe.judge.program import Program
from multipl_moe.languages.harnesses import HARNESSES, ending
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.source_text import bare_code, without_comments
from multipl_moe.problems.forms.closing import closed, closed_class
from multipl_moe.problems.forms.cpp_tests import without_main
from multipl_moe.problems.forms.go_file import go_file
from multipl_moe.problems.forms.human_eval import human_eval_program
from multipl_moe.problems.problem import Problem

_PYTHON_MODULES = "math, re, sys, copy, datetime, itertools, collections, heapq, statistics, functools, hashlib, string"
# Declarations of Rust ask for these crates in all 164 problems; few use them.
_CRATES = {
    "rand": r"\brand::|\bRng\b|\bthread_rng\b|\bgen_range\b",
    "regex": r"\bregex::|\bRegex\b",
    "md5": r"\bmd5::",
}


def humaneval_x_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The program in the manner of the problem's language."""
    return _BUILDERS[problem.language](problem, completion, nonce)


def _python(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The modules that every program may use; a completion ends at its first line that is not indented."""
    body = re.split(r"\n(?=\S)", completion, maxsplit=1)[0]
    setup = f"import {_PYTHON_MODULES}\nfrom typing import *\n"
    wants: tuple[str, ...] = ()
    if re.search(r"\b(?:np|numpy)\b", problem.prompt + body + problem.tests):
        setup += "import numpy\nimport numpy as np\n"
        wants = ("numpy",)
    with_setup = Problem(**{**vars(problem), "extra": {**problem.extra, "setup": setup}})
    source = human_eval_program(with_setup, body, nonce).source
    return Program("python", source, nonce, wants=wants)


def _cpp(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Every standard header, for the prompts include only some of those that their solutions use."""
    code = "".join([problem.prompt, closed(problem, completion), HARNESSES["cpp"].guard, without_main(problem.tests)])
    source = f"#include <bits/stdc++.h>\n{code}{ending('cpp', nonce, 'harness_tests();')}"
    wants = tuple(name for name in ("boost", "openssl") if f"<{name}/" in code)
    return Program("cpp", source, nonce, ("-std=c++11",), wants)


def _java(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """The tests' class `Main` gives up being public, which the ending's class is."""
    tests = problem.tests.replace("public class Main", "class Main", 1)
    source = (
        f"{problem.prompt}{closed_class(problem, completion)}\n{tests}{ending('java', nonce, 'Main.main(arguments);')}"
    )
    return Program("java", source, nonce)


def _go(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Imports of the prompt, of the tests, and of common packages, as far as they are used."""
    tests = re.sub(r"\bfunc\s+Test\w*\s*\(", "func harnessTests(", problem.tests, count=1)
    source = "".join([problem.prompt, closed(problem, completion), tests, ending("go", nonce, "harnessTests(t)")])
    imports = problem.extra["test_setup"] + "\n" + problem.extra["import"]
    return Program("go", go_file(source, imports), nonce, wants=("testify",))


def _rust(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """Test functions become functions that the ending calls; crates that nothing uses are not asked for."""
    tests = without_comments(problem.tests, "rust").replace("#[cfg(test)]", "")
    names = re.findall(r"#\[test\]\s*(?:pub\s+)?fn\s+(\w+)", tests)
    tests = re.sub(r"#\[test\]\s*(?:pub\s+)?fn\b", "pub fn", tests)
    module = re.search(r"\bmod\s+(\w+)", tests)
    calls = "\n    ".join(f"{module[1]}::{name}();" for name in names) if module else ""
    prompt = re.sub(r"(?m)^use (?:rand|regex|md5)\b[^\n]*\n", "", problem.prompt)
    code = prompt + closed(problem, completion) + tests
    used = [name for name, pattern in _CRATES.items() if re.search(pattern, bare_code(code, "rust"))]
    uses = "".join({"rand": "use rand::Rng;\n", "regex": "use regex::Regex;\n", "md5": "use md5;\n"}[n] for n in used)
    return Program("rust", uses + code + ending("rust", nonce, calls), nonce, ("--edition=2021",), tuple(used))


_BUILDERS: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "python": _python,
    "cpp": _cpp,
    "java": _java,
    "go": _go,
    "rust": _rust,
}
