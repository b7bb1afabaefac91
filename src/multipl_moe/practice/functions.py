"""Python functions as tasks for any language.

A case is a doctest or an assertion that calls the function with literals and compares the result with one. In a
language that functions can be called in (`heads`) the task is that function. In another one it is a program that reads
the arguments and prints the result: they stand one a line, a whole number, a number, true or false, a line of text, or
a list of numbers or words. A function with values of another kind, or of several kinds in one place, is left out.
"""

import ast
import math
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from doctest import SKIP, DocTestParser, Example
from pathlib import Path
from typing import Any

from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.benchmarks import BENCHMARKS, read_benchmark
from multipl_judge.problems.own import Case, OwnProblem, problem_of
from multipl_judge.problems.problem import Problem
from multipl_moe.errors import ConfigError
from multipl_moe.practice.heads import has_heads, posed_as_function

_OF_PYTHON = re.compile(r"\bpython (?=function|program|code)", re.IGNORECASE)
_UNREAD = (SyntaxError, ValueError, RecursionError, MemoryError, TypeError)
_CANDIDATE = "candidate"  # what HumanEval's checks call the function, which they are given
_MAX_DIGITS = 9  # of a number that is no whole one: with more, languages print different ones
_KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a line of text"}
_KINDS_OF_LISTS: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "words"}


@dataclass(frozen=True)
class _Function:
    """A documented function.

    Attributes:
        words: what it does.
        cases: of each call in its tests arguments and answer; another choice of them, if those do not do.
    """

    id: str
    cluster: str
    words: str
    name: str
    arguments: list[str]
    cases: list[list[list[Any]]]
    solution: str

    def posed_in(self, language: str) -> OwnProblem | None:
        """The problem in a language; None where there are no words or cases, or values have no form in it."""
        for cases in self.cases:
            if not self.words or not cases or any(len(values) != len(self.arguments) + 1 for values in cases):
                continue
            if has_heads(language):
                own = posed_as_function(self.id, self.words, self.name, self.arguments, cases, language)
                if own is not None:
                    return own
            if language in TOOLCHAINS and TOOLCHAINS[language].answers_input and (own := self._in_words(cases)):
                return own
        return None

    def _in_words(self, cases: list[list[Any]]) -> OwnProblem | None:
        kinds = [kind for column in zip(*cases, strict=True) if (kind := _kind(column))]
        if len(kinds) <= len(self.arguments):
            return None
        told = [[_line(value, of) for value, (of, _) in zip(values, kinds, strict=True)] for values in cases]
        tests_told = {"".join(given): want for *given, want in told}
        given, want = next(iter(tests_told.items()))
        question = [self.words, ""]
        for number, (argument, (_, kind)) in enumerate(zip(self.arguments, kinds, strict=False), 1):
            question.append(f"Line {number}: {argument}, {kind}.")
        question += [f"Print the result: {kinds[-1][1]}.", "", "Of the input", given.rstrip(), "print", want.rstrip()]
        tests = [Case(input=given, output=want) for given, want in tests_told.items()]
        return OwnProblem(id=self.id, question="\n".join(question), tests=tests)


def function_tasks(spec: str, languages: Collection[str]) -> tuple[list[Problem], int]:
    """The functions as problems of each language, with their source in `extra["solution"]`.

    Args:
        spec: a .py file or a folder of such files, or a benchmark in Python as `read_benchmark` takes it.

    Returns:
        The problems, and the number of documented functions that could be posed in no language.

    Raises:
        ConfigError: nothing is there, a file cannot be read or parsed, or no function can be posed.
    """
    if not spec:
        raise ConfigError("practice.tasks: functions: names nothing; write functions:PATH, of a .py file or a folder")
    path, posed, num_left_out = Path(spec), [], 0
    name = path.resolve().name.lstrip(".").partition(".")[0]
    if not path.exists() and path.suffix != ".py" and ":" not in spec and spec not in BENCHMARKS:
        raise ConfigError(f"practice.tasks: functions:{spec} is not there; name a .py file, a folder, or a benchmark")
    found = _of_files(path) if path.is_dir() or path.suffix == ".py" else _of_benchmark(spec)
    for function in found:
        problems = [
            problem_of(own, language, name)
            for language in languages
            if (own := function.posed_in(language)) is not None
        ]
        num_left_out += not problems
        posed += [
            replace(problem, cluster=function.cluster, extra=problem.extra | {"solution": function.solution})
            for problem in problems
        ]
    if not posed:
        raise ConfigError(
            f"practice.tasks: functions:{spec} holds no documented function with doctests or assertions on plain "
            f"values that could be posed in {', '.join(languages)}"
        )
    return posed, num_left_out


def solution_of(problem: Problem) -> str:
    """The whole of a Python problem's reference."""
    is_whole = problem.form == "mbpp" or problem.asks_for_file
    return ("" if is_whole else problem.prompt) + (problem.reference or "")


def _of_benchmark(spec: str) -> Iterator[_Function]:
    for problem in read_benchmark(spec, ("python",)):
        if problem.reference is None or problem.asks_for_file:
            continue
        module = _parsed(f"{problem.prompt}{problem.reference}\n{problem.tests}")
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point:
                text = ast.get_docstring(node) or ast.get_docstring(module) or ""
                called = {node.name, _CANDIDATE}
                yield _function(problem.id, problem.cluster, text, node, [module], called, solution_of(problem).strip())


def _of_files(path: Path) -> Iterator[_Function]:
    """Each documented function.

    Assertions of other files of the folder count where they call a name that the folder gives to one function alone,
    and imports from nowhere else, and where values of all of them have a plain form, or else those of its own file.
    """
    is_folder, documented = path.is_dir(), list[tuple[str, str, ast.FunctionDef]]()
    defined, asserted = Counter[str](), defaultdict[str, list[tuple[str, ast.stmt]]](list)
    imported: list[tuple[str, ast.alias]] = []
    for file in sorted(filter(Path.is_file, path.rglob("*.py"))) if is_folder else [path]:
        if not file.is_file():  # nothing, or what reading may wait for without end
            raise ConfigError(f"practice.tasks: {file} is no file; name a .py file, or a folder of such files")
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"practice.tasks: {file} cannot be read: {fault}") from None
        place = file.relative_to(path if is_folder else path.parent).with_suffix("").as_posix()
        try:
            module = _parse(source, file.name)
        except _UNREAD as fault:
            if is_folder:
                continue
            raise ConfigError(f"practice.tasks: {file} cannot be parsed as Python ({fault}); mend it") from None
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node)):
                documented.append((place, text, node))
        for name, node in _assertions(module):
            asserted[name].append((place, node))
        for node in ast.walk(module):
            match node:
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                    defined[name] += 1
                case ast.Name(name, ast.Store()):
                    defined[name] += 1
                case ast.ImportFrom(origin, names):
                    imported += [((origin or "").rpartition(".")[2], name) for name in names]
    stems = {place.rpartition("/")[2] for place, *_ in documented}
    defined.update(name.asname or name.name for origin, name in imported if name.asname or origin not in stems)
    for place, text, node in documented:
        name, calls = f"{place}/{node.name}", asserted[node.name]
        own = [call for of, call in calls if of == place]
        tests = [[call for _, call in calls], own] if defined[node.name] == 1 else [own]
        modules = [ast.Module(one, []) for one in tests]
        yield _function(name, name, text, node, modules, {node.name}, ast.unparse(node))


def _function(
    id: str,
    cluster: str,
    text: str,
    node: ast.FunctionDef,
    tests: Sequence[ast.AST],
    called: Collection[str],
    solution: str,
) -> _Function:
    parts = _doctests(text)
    words = "".join(part for part in parts if isinstance(part, str))
    words = "\n".join(line for line in words.splitlines() if not line.startswith("assert ")).strip()
    return _Function(
        id,
        cluster,
        _OF_PYTHON.sub("", words),
        node.name,
        [argument.arg for argument in node.args.args],
        [_without_contradiction([*_cases([] if _prints(node) else parts, tree, called)]) for tree in tests],
        solution,
    )


def _doctests(text: str) -> list[str | Example]:
    try:
        return DocTestParser().parse(text)
    except ValueError:
        return []


def _cases(parts: list[str | Example], tests: ast.AST, called: Collection[str]) -> Iterator[list[Any]]:
    """Arguments and result of each call with literals that a doctest or an assertion compares with a literal."""
    examples = [one for one in parts if isinstance(one, Example) and not one.options.get(SKIP)]
    asserted = [f"assert (\n{one.source}\n) == (\n{one.want}\n)" for one in examples]
    for node in (node for tree in [*map(_parsed, asserted), tests] for _, node in _assertions(tree)):
        match node:
            case ast.Assert(ast.Compare(ast.Call(ast.Name(name), arguments, []), [ast.Eq()], [want])) if name in called:
                with suppress(*_UNREAD):
                    yield [ast.literal_eval(value) for value in [*arguments, want]]


def _assertions(tree: ast.AST) -> Iterator[tuple[str, ast.Assert]]:
    """Assertions that compare a call with something, and the name that is called.

    Without those that are to fail (in `raises`, and in tests that are skipped or expected to), that never run, or that
    call an argument or an inner function of this name.
    """
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Assert(ast.Compare(ast.Call(ast.Name(name)))):
                yield name, node
            case ast.expr():  # holds no statement, and may be deeper than Python's own limit
                pass
            case ast.With(items) if any("raises" in ast.unparse(item) for item in items):
                pass
            case ast.If(ast.Constant(value)) if not value:
                pass
            case ast.FunctionDef(decorator_list=marks) if re.search(r"xfail|skip", " ".join(map(ast.unparse, marks))):
                pass
            case ast.FunctionDef(args=arguments):
                own = {one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)}
                own |= {one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef) and one is not node}
                own.discard(_CANDIDATE)
                yield from ((name, found) for name, found in _assertions(node) if name not in own)
            case _:
                yield from _assertions(node)


def _prints(node: ast.FunctionDef) -> bool:
    """Whether what doctests show is printed: it returns nothing."""
    inside = [*ast.walk(node)]
    returns = any(isinstance(one, ast.Return) and one.value is not None for one in inside)
    return not returns and any(isinstance(one, ast.Name) and one.id == "print" for one in inside)


def _without_contradiction(cases: list[list[Any]]) -> list[list[Any]]:
    """The cases; none where the same arguments have two answers, as of a function that counts its calls."""
    answers = {repr(given): want for *given, want in cases}
    return cases if all(answers[repr(given)] == want for *given, want in cases) else []


def _parse(source: str, name: str = "<unknown>") -> ast.Module:
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        return ast.parse(source, name)


def _parsed(source: str) -> ast.Module:
    try:
        return _parse(source)
    except _UNREAD:
        return ast.Module([], [])


def _kind(values: Collection[Any]) -> tuple[type, str] | None:
    """The type of the values in one place, and what they are in words; None without one plain form of all."""
    are_lists = all(isinstance(value, list | tuple) for value in values)
    parts = [part for value in values for part in value] if are_lists else values
    types = {type(part) for part in parts}
    of = float if types == {int, float} else types.pop() if len(types) == 1 else None
    words = (_KINDS_OF_LISTS if are_lists else _KINDS).get(of)
    if of is None or words is None or not all(_is_plain(part, of, are_lists) for part in parts):
        return None
    return of, f"{words} separated by spaces" if are_lists else words


def _is_plain(part: Any, of: type, in_list: bool) -> bool:
    if of is float:  # whole ones among them are told with a point, too
        told = repr(float(part)) if len(repr(part)) <= _MAX_DIGITS else ""
        return 0 < len(told) <= _MAX_DIGITS and math.isfinite(part) and "e" not in told
    return not isinstance(part, str) or (part.isprintable() and (part.split() if in_list else [part.strip()]) == [part])


def _line(value: Any, of: type) -> str:
    text = " ".join(str(of(part)) for part in (value if isinstance(value, list | tuple) else [value]))
    return (text.lower() if of is bool else text) + "\n"
