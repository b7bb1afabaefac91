"""A user's own set of problems: a file of JSON lines, one problem a line, in the form of the starter set.

    {"id": "double", "language": "python", "prompt": "def double(n):\\n", "tests": "assert double(2) == 4\\n",
     "reference": "    return 2 * n\\n", "entry_point": "double"}

`prompt`, completion, what closes the function, and `tests` become one program (see `starter_set`). The set is named
after its file. A language other than the six needs an entry in `languages.harnesses.HARNESSES` and one in
`languages.toolchains.TOOLCHAINS`.

A problem may also be told in words and judged by what a whole program prints, in every language that can be judged:

    {"id": "sum", "question": "Print the sum of the numbers.", "tests": [{"input": "1 2\\n", "output": "3\\n"}]}
"""

import json
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.own import how_to_add
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.problem import Problem, commented, cut_at_stop
from multipl_judge.problems.rows import read_rows

_IN_WORDS = "The program reads standard input and prints to standard output."
_DEPTH_OF_KIND = 2  # of the place of an error about tests as a whole: the field, and which kind was tried
_STOP_OF_FILES = ("\n```",)
_Text = Annotated[str, Field(min_length=1)]


class Case(BaseModel):
    """What a program must print for a standard input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: str
    output: str


class OwnProblem(BaseModel):
    """One line of the file.

    Attributes:
        id: unique within the file and language.
        language: key of `languages.harnesses.HARNESSES`; with cases it may be left out, for every language.
        prompt: what the model continues: ends where the body begins.
        question: instead of a prompt, with cases: what the program must do, in words.
        tests: as after the marker `--- tests` of a starter file in this language, or cases.
        reference: a body known to be right, cut at the stop strings like a model's; with cases a whole program, or one
            a language.
        stop: strings that end a completion; those of the language's starter problems if left out.
        entry_point: name of the function under test; Python guards its results against objects that claim to be equal
            to everything.
        cluster: shared by the same problem in several languages; the id if left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    language: str | None = None
    prompt: _Text | None = None
    question: _Text | None = None
    tests: _Text | Annotated[list[Case], Field(min_length=1)]
    reference: str | dict[str, str] | None = None
    stop: list[_Text] | None = None
    entry_point: Annotated[str, Field(pattern=r"^\w+[?!]?$")] | None = None
    cluster: str | None = None

    @field_validator("language")
    @classmethod
    def _is_known(cls, language: str | None) -> str | None:
        if language is not None and language not in HARNESSES:
            raise ValueError(f"no harness for '{language}'; known are {', '.join(HARNESSES)}; {how_to_add(language)}")
        return language

    @field_validator("entry_point")
    @classmethod
    def _is_a_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name and name[-1] in "?!" and info.data.get("language") == "python":
            raise ValueError("no name of a Python function")
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> "OwnProblem":
        if isinstance(self.tests, list):
            needed, foreign = {"question": self.question}, {"prompt": self.prompt, "entry_point": self.entry_point}
        else:
            needed, foreign = {"language": self.language, "prompt": self.prompt}, {"question": self.question}
        kind = "cases of input and output" if isinstance(self.tests, list) else "tests in its language"
        for name, value in needed.items():
            if value is None:
                raise ValueError(f"{name}: needed with {kind}")
        for name, value in foreign.items():
            if value is not None:
                raise ValueError(f"{name}: not with {kind}; leave it out")
        if isinstance(self.reference, str) and self.language is None:
            raise ValueError('reference: give one a language, as {"python": "..."}, or the problem a language')
        if isinstance(self.reference, dict) and not isinstance(self.tests, list):
            raise ValueError("reference: one text with tests in its language")
        if isinstance(self.tests, list) and self.language and not TOOLCHAINS[self.language].answers_input:
            raise ValueError(
                f"language: give own_languages.{self.language}.toolchain.script, which leaves its input free"
            )
        if isinstance(self.tests, str) and not TOOLCHAINS[str(self.language)].reference.text:
            raise ValueError(f"tests: {self.language} has no harness, so only cases of input and output can be judged")
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
        ConfigError: every fault of the file, each with its line, or the file is empty or cannot be read.
    """
    name = file.name.removesuffix(".gz").removesuffix(".jsonl")
    problems: list[Problem] = []
    faults: list[str] = []
    first: dict[str, str] = {}
    for where, row in read_rows([file]):
        try:
            own = OwnProblem.model_validate(row)
        except ValidationError as errors:
            faults += [f"{where}: {_told(error)}" for error in errors.errors() if not _is_of_other_kind(error, row)]
            continue
        for language in own.languages:
            problem = problem_of(own, language, name)
            if first.setdefault(problem.key, where) != where:
                line = first[problem.key].rsplit(", ", 1)[-1]
                faults.append(f"{where}: id '{problem.id}' is used in {line}; give each problem its own")
                break
            problems.append(problem)
    if not problems and not faults:
        faults.append(f"{file} holds no problem")
    if faults:
        raise ConfigError(faults)
    return problems


def _is_of_other_kind(error: ErrorDetails, row: dict[str, Any]) -> bool:
    """Whether an error says only that tests of one kind are none of the other."""
    other = {list: "string_type", str: "list_type"}.get(type(row.get("tests")))
    return error["loc"][0:1] == ("tests",) and error["type"] == other and len(error["loc"]) == _DEPTH_OF_KIND


def _told(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in ("constrained-str", "list[Case]"))
    if error["type"] == "extra_forbidden":
        nearest = get_close_matches(place, OwnProblem.model_fields, n=1)
        return f"{place}: unknown; " + (f"did you mean '{nearest[0]}'?" if nearest else "leave it out")
    return (f"{place}: " if place else "") + error["msg"].removeprefix("Value error, ")


def problem_of(own: OwnProblem, language: str, benchmark: str) -> Problem:
    """The problem in one of its languages."""
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
    if isinstance(own.tests, str):
        return replace(problem, reference=None if reference is None else cut_at_stop(reference, stop))
    return replace(
        problem,
        prompt=commented(f"{own.question}\n\n{_IN_WORDS}", HARNESSES[language].comment) + "\n",
        tests=json.dumps([[case.input, case.output] for case in own.tests]),
        form="stdin",
        stop=_STOP_OF_FILES if own.stop is None else stop,
        reference=reference,
    )
