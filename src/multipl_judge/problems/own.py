"""A user's own set of problems: a file of JSON lines, one problem a line, in the form of the starter set.

    {"id": "double", "language": "python", "prompt": "def double(n):\\n",
     "tests": [{"arguments": [2], "answer": 4}], "reference": "    return 2 * n\\n"}

The function is called with the arguments, and its answers are compared outside of the program. Where arguments or
answers have no form in JSON, `tests` is a text of assertions in the language instead, part of the same program. The set
is named after its file. A language other than the six needs an entry in `languages.harnesses.HARNESSES` and one in
`languages.toolchains.TOOLCHAINS`.

A problem may also be told in words and judged by what a whole program prints, in every language that can be judged:

    {"id": "sum", "question": "Print the sum of the numbers.", "tests": [{"input": "1 2\\n", "output": "3\\n"}]}
"""

import json
from collections import defaultdict
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.literals import WRITTEN
from multipl_judge.languages.source_text import function_name
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.forms.calling import CALLED, called_cases, calls_of
from multipl_judge.problems.language_codes import language_of, require_language
from multipl_judge.problems.problem import Problem, commented, cut_at_stop
from multipl_judge.problems.rows import read_rows

_IN_WORDS = "The program reads standard input and prints to standard output."
_STOP_OF_FILES = ("\n```",)
_Text = Annotated[str, Field(min_length=1)]


class Case(BaseModel):
    """What a program must print for a standard input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: str
    output: str


class Call(BaseModel):
    """What a function must answer to arguments, as values of JSON, or to a call that is written in its language."""

    model_config = ConfigDict(extra="forbid", strict=True)

    arguments: list[Any] | None = None
    call: _Text | None = None
    answer: Any

    @model_validator(mode="after")
    def _is_one_call(self) -> "Call":
        if (self.arguments is None) == (self.call is None):
            raise ValueError("give arguments, or a call, and its answer")
        return self


_KINDS = {"text": "tests in its language", "cases": "cases of input and output", "calls": "arguments and answers"}

_CALL_KEYS = {"arguments", "call", "answer"}
_NAMES_ELSEWHERE = {"task_id": "id", "test": "tests", "canonical_solution": "reference"}


def _kind(tests: Any) -> str:
    """Key of `_KINDS`: what tests seem to be."""
    if isinstance(tests, str):
        return "text"
    first: Any = next(iter(cast(list[Any], tests)), None) if isinstance(tests, list) else None
    return "calls" if isinstance(first, Call) or (isinstance(first, dict) and _CALL_KEYS & first.keys()) else "cases"


def _has_fraction(value: Any) -> bool:
    if isinstance(value, list | dict):
        parts: Any = value.values() if isinstance(value, dict) else value
        return any(map(_has_fraction, parts))
    return isinstance(value, float)


class OwnProblem(BaseModel):
    """One line of the file.

    Attributes:
        id: unique within the file and language.
        language: one that can be judged, by any of its names; with cases it may be left out, for every language.
        prompt: what the model continues: ends where the body begins.
        question: instead of a prompt, with cases: what the program must do, in words.
        tests: arguments and answers; or assertions in this language; or, with a question, cases.
        tolerance: how far a number may be from an answer that has a point (`judge.answers`).
        reference: a body known to be right, cut at the stop strings like a model's; with cases a whole program, or one
            a language.
        stop: strings that end a completion; those of the language's starter problems if left out.
        entry_point: name of the function under test; with arguments and answers the prompt's last, if left out.
            Python's assertions believe no object of the completion that claims to be equal to everything.
        cluster: shared by the same problem in several languages; the id if left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    language: str | None = None
    prompt: _Text | None = None
    question: _Text | None = None
    tests: Annotated[
        Annotated[_Text, Tag("text")]
        | Annotated[list[Case], Field(min_length=1), Tag("cases")]
        | Annotated[list[Call], Field(min_length=1), Tag("calls")],
        Discriminator(_kind),
    ]
    tolerance: Annotated[float, Field(ge=0)] | None = None
    reference: str | dict[str, str] | None = None
    stop: list[_Text] | None = None
    entry_point: Annotated[str, Field(pattern=r"^\w+[?!]?$")] | None = None
    cluster: str | None = None

    @field_validator("language")
    @classmethod
    def _is_known(cls, language: str | None) -> str | None:
        return None if language is None else require_language(language)

    @field_validator("reference")
    @classmethod
    def _has_keys(cls, reference: str | dict[str, str] | None) -> str | dict[str, str] | None:
        if isinstance(reference, dict):
            return {language_of(name) or name: text for name, text in reference.items()}
        return reference

    @field_validator("entry_point")
    @classmethod
    def _is_a_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name and name[-1] in "?!" and info.data.get("language") == "python":
            raise ValueError("no name of a Python function")
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> "OwnProblem":
        kind = _kind(self.tests)
        needed, foreign = ["question"], ["prompt", "entry_point", "tolerance"]
        if kind != "cases":
            needed, foreign = ["language", "prompt"], ["question"] + ["tolerance"] * (kind == "text")
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"{name}: needed with {_KINDS[kind]}")
        for name in foreign:
            if getattr(self, name) is not None:
                raise ValueError(f"{name}: not with {_KINDS[kind]}; leave it out")
        if isinstance(self.reference, str) and self.language is None:
            raise ValueError('reference: give one a language, as {"python": "..."}, or the problem a language')
        if isinstance(self.reference, dict) and kind != "cases":
            raise ValueError(f"reference: one text with {_KINDS[kind]}")
        toolchain = TOOLCHAINS[self.language] if self.language else None
        if kind == "cases" and toolchain and not toolchain.answers_input:
            raise ValueError(
                f"language: give own_languages.{self.language}.toolchain.script, which leaves its input free"
            )
        if kind != "cases" and toolchain and not toolchain.reference.text:
            raise ValueError(f"tests: {self.language} has no harness, so only cases of input and output can be judged")
        if kind == "calls" and self.language not in CALLED:
            if not HARNESSES[str(self.language)].answers:
                raise ValueError(
                    f"tests: {self.language} prints no answers; give own_languages.{self.language}.harness.answers, or "
                    "assertions"
                )
            has_arguments = any(isinstance(one, Call) and one.arguments is not None for one in self.tests)
            if has_arguments and self.language not in WRITTEN:
                raise ValueError(f"tests: give call instead of arguments, as text of {self.language}")
        if self.tolerance is None and any(isinstance(one, Call) and _has_fraction(one.answer) for one in self.tests):
            raise ValueError("tolerance: say how far a number may be from its answer, such as 1e-6; 0 for not at all")
        return self

    @property
    def languages(self) -> list[str]:
        """The languages that the problem is posed in."""
        if self.language is not None:
            return [self.language]
        return [name for name, toolchain in TOOLCHAINS.items() if toolchain.answers_input]


def read_own(file: Path) -> list[Problem]:
    """The problems of the file.

    Raises:
        ConfigError: every fault of the file, each once with its first line, or the file is empty or cannot be read.
    """
    name = file.name.removesuffix(".gz").removesuffix(".jsonl")
    problems: list[Problem] = []
    lines_of: dict[str, list[str]] = defaultdict(list)
    first: dict[str, str] = {}
    for where, row in read_rows([file]):
        try:
            own = OwnProblem.model_validate(row)
        except ValidationError as errors:
            for error in errors.errors():
                lines_of[_told(error)].append(where)
            continue
        for language in own.languages:
            try:
                problem = problem_of(own, language, name)
            except ValueError as fault:
                lines_of[f"tests: {fault}"].append(where)
                break
            if first.setdefault(problem.key, where) != where:
                line = first[problem.key].rsplit(", ", 1)[-1]
                lines_of[f"id '{problem.id}' is used in {line}; give each problem its own"].append(where)
                break
            problems.append(problem)
    if lines_of:
        raise ConfigError([f"{lines[0]}{_and_more(len(lines) - 1)}: {fault}" for fault, lines in lines_of.items()])
    if not problems:
        raise ConfigError(f"{file} holds no problem")
    return problems


def _and_more(number: int) -> str:
    return f" and {number} more line{'s' * (number > 1)}" if number else ""


def _told(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in _KINDS)
    if error["type"] == "extra_forbidden":
        nearest = _NAMES_ELSEWHERE.get(place) or next(
            iter(get_close_matches(place, OwnProblem.model_fields, n=1)), None
        )
        return f"{place}: unknown; " + (f"did you mean '{nearest}'?" if nearest else "leave it out")
    return (f"{place}: " if place else "") + error["msg"].removeprefix("Value error, ")


def problem_of(own: OwnProblem, language: str, benchmark: str) -> Problem:
    """The problem in one of its languages.

    Raises:
        ValueError: arguments do not fit the function that the prompt opens.
    """
    stop = HARNESSES[language].stop if own.stop is None else tuple(own.stop)
    problem = Problem(
        benchmark=benchmark,
        id=own.id,
        language=language,
        prompt=own.prompt or "",
        tests=own.tests if isinstance(own.tests, str) else "",
        form="starter",
        stop=stop,
        entry_point=own.entry_point,
        cluster=f"{benchmark}/{own.cluster or own.id}",
    )
    reference = own.reference.get(language) if isinstance(own.reference, dict) else own.reference
    if _kind(own.tests) == "cases":
        return replace(
            problem,
            prompt=commented(f"{own.question}\n\n{_IN_WORDS}", HARNESSES[language].comment) + "\n",
            tests=json.dumps([[case.input, case.output] for case in own.tests if isinstance(case, Case)]),
            form="stdin",
            stop=_STOP_OF_FILES if own.stop is None else stop,
            reference=reference,
        )
    problem = replace(problem, reference=None if reference is None else cut_at_stop(reference, stop))
    calls = [(call.call or call.arguments, call.answer) for call in own.tests if isinstance(call, Call)]
    if not calls:
        return problem
    name = own.entry_point or function_name(problem.prompt, language)
    tolerance = {} if own.tolerance is None else {"tolerance": str(own.tolerance)}
    problem = replace(problem, tests=called_cases(calls), form="calls", entry_point=name, extra=tolerance)
    calls_of(problem)
    return problem
