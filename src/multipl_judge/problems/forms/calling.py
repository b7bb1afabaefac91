"""The form of functions that only answer: a driver calls one for each case and prints what it answers, as JSON.

What is expected is not in the program: answers are compared outside of it, so nothing in its process says whether they
are right.
"""

import json
import re
from collections.abc import Iterable
from functools import reduce
from string import Template
from typing import Any

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.literals import TYPED, call, ocaml_types, parameter_types
from multipl_judge.languages.program import Nonce, Program, python_literal
from multipl_judge.languages.ruby_guard import quoted
from multipl_judge.languages.source_text import bare_code
from multipl_judge.languages.sources import text_of
from multipl_judge.problems.forms.go_file import go_file
from multipl_judge.problems.forms.parts import cases_of, closed, closed_class
from multipl_judge.problems.problem import Problem

CALLED = {"python": "python", "ruby": "rb", "rust": "rs", "go": "go", "java": "java", "cpp": "cpp"}
"""Languages with a driver of their own, and the ending of its file; in others the harness has what prints answers."""
_STATEMENT = {
    "ruby": "harness_show.call({})",
    "rust": "    harness_answer({});",
    "go": "\tharnessAnswer({})",
    "java": "        answer({});",
    "cpp": "    harness::answer({});",
}
_GO_IMPORTS = """import (
	harnessbytes "bytes"
	harnessfmt "fmt"
	harnessreflect "reflect"
)
"""
_GO_MAIN = re.compile(r"^func main\(", re.MULTILINE)
_CPP_DEFINED = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)


def called_cases(cases: Iterable[tuple[list[Any] | str | None, Any]]) -> str:
    """Arguments, or calls in the language, and answers as tests of a problem of the form "calls"."""
    return json.dumps([[json.dumps(values), json.dumps(answer)] for values, answer in cases])


def calls_of(problem: Problem) -> list[str]:
    """The calls that the cases of a problem of the form "calls" are, in its language.

    Raises:
        ValueError: a case does not fit the signature in the prompt.
    """
    language, name = problem.language, problem.entry_point or ""
    cases = [json.loads(given) for given, _ in cases_of(problem)]
    types = ocaml_types(problem.prompt, name)[:-1] if language == "ocaml" else None
    if all(isinstance(one, str) for one in cases):
        return cases
    if language in TYPED and types is None:
        types = parameter_types(problem.prompt, name, language)
    if language in ("java", "elixir"):
        first_class = re.search(r"\b(?:class|defmodule)\s+(\w+)", bare_code(problem.prompt, language))
        name = f"{first_class[1] if first_class else ''}.{name}"
    return [one if isinstance(one, str) else call(name, one, types, language) for one in cases]


def calls_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """A program that prints what each call answers, each in a line that begins with a drawn mark."""
    language, harness = problem.language, HARNESSES[problem.language]
    calls = calls_of(problem)
    if language == "go":
        completion = _GO_MAIN.sub("func harnessOwn(", completion)
    code = problem.prompt + (closed_class if language == "java" else closed)(problem, completion)
    if language not in CALLED:
        source = f"{harness.opening}{code}\n{_lines(harness.answers, calls, nonce, _shown(problem))}"
        return _program(problem, source, calls, nonce)
    driver = text_of(f"answers.{CALLED[language]}").replace("MARK", nonce.mark)
    if language == "python":
        listed = f"[{', '.join(map(python_literal, calls))}]"
        source = driver.replace('"CODE"', python_literal(code)).replace('["CALLS"]', listed)
    else:
        made = driver.replace("CALLS", "\n".join(_STATEMENT[language].format(one) for one in calls))
        if language == "ruby":
            source = made.replace("CODE", quoted(code))
        elif language == "cpp":
            undone = "".join(f"#undef {word}\n" for word in dict.fromkeys(_CPP_DEFINED.findall(completion)))
            source = f"{code}\n{undone}{made}"
        else:
            source = code + made
    if language == "go":
        source = go_file(source, own_imports=_GO_IMPORTS)
    return _program(problem, source, calls, nonce)


def _shown(problem: Problem) -> str:
    """What writes an answer in OCaml, whose values do not know their types: "(list (list int))"."""
    if problem.language != "ocaml":
        return ""
    first, *outer = ocaml_types(problem.prompt, problem.entry_point or "")[-1].split()
    return reduce(lambda inner, name: f"({name} {inner})", outer, first)


def _lines(template: str, calls: list[str], nonce: Nonce, show: str) -> str:
    """The template of a harness, its lines with a call once for each."""
    lines = [
        Template(line).substitute(call=one, mark=nonce.mark, show=show)
        for line in template.splitlines(keepends=True)
        for one in (calls if "$call" in line else [""])
    ]
    return "".join(lines)


def _program(problem: Problem, source: str, calls: list[str], nonce: Nonce) -> Program:
    harness = HARNESSES[problem.language]
    cases = tuple((one, expected) for one, (_, expected) in zip(calls, cases_of(problem), strict=True))
    tolerance = float(problem.extra.get("tolerance", 0))
    return Program(problem.language, source, nonce, harness.options, harness.wants, cases=cases, tolerance=tolerance)
