"""Programs that somebody has written already, as rows of JSON: what the verb `judge` reads.

A whole program is judged by what it prints, a completion by what its function answers or by tests in its language:

    {"language": "lua", "program": "print(io.read('n') * 2)", "cases": [{"input": "21\\n", "output": "42\\n"}]}
    {"language": "python", "prompt": "def double(n):\\n", "completion": "    return 2 * n\\n",
     "tests": [{"arguments": [2], "answer": 4}]}

What else a row holds is its own business.
"""

import json
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from multipl_judge.errors import ConfigError
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.source_text import function_name
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.forms import FORMS, program_of
from multipl_judge.problems.language_codes import require_language
from multipl_judge.problems.own import Case, OwnProblem, problem_of
from multipl_judge.problems.problem import Problem, cut_at_stop

_STDIN = "stdin"
_TEST_FORMS = [form for form in FORMS if form not in (_STDIN, "calls")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    language: str

    @field_validator("language")
    @classmethod
    def _is_known(cls, language: str) -> str:
        return require_language(language)


class _Answering(_Row):
    """A whole program, and what it must print for each standard input."""

    program: str
    cases: Annotated[list[Case], Field(min_length=1)]

    @field_validator("cases", mode="before")
    @classmethod
    def _are_cases(cls, cases: Any) -> Any:
        if not isinstance(cases, list) or not cases or not all(isinstance(one, dict) for one in cases):
            raise ValueError('give a list of one or more, each {"input": "21\\n", "output": "42\\n"}')
        return cases

    @model_validator(mode="after")
    def _can_answer(self) -> "_Answering":
        if not TOOLCHAINS[self.language].answers_input:
            raise ValueError(
                f"cases: programs in {self.language} cannot read standard input; give its toolchain script"
            )
        return self

    def problem(self) -> tuple[Problem, str]:
        tests = json.dumps([[case.input, case.output] for case in self.cases])
        return Problem("", "", self.language, "", tests, _STDIN, ()), self.program


class _Tested(_Row):
    """A completion and the tests of its prompt: arguments and answers as a set of one's own has them, or a text.

    Attributes:
        tolerance: of numbers in answers.
        form: how the three become one program, of `forms.FORMS`.
        entry_point: name of the function under test; that which the prompt defines, if it is left out.
        stop: strings that end a completion; none if left out.
        extra: what else the form needs; see `Problem`.
    """

    prompt: str
    completion: str
    tests: Annotated[str, Field(min_length=1)] | list[Any]
    tolerance: float | None = None
    form: str = "starter"
    entry_point: str | None = None
    stop: list[str] = []
    extra: dict[str, str] = {}

    @field_validator("form")
    @classmethod
    def _is_a_form(cls, form: str) -> str:
        if form not in _TEST_FORMS:
            raise ValueError(f"'{form}' is none; there are {', '.join(_TEST_FORMS)}")
        return form

    def problem(self) -> tuple[Problem, str]:
        name = self.entry_point
        if not isinstance(self.tests, str):
            if self.form != "starter":
                raise ValueError("form: not with arguments and answers; leave it out")
            parts = self.model_dump(include={"language", "prompt", "tests", "tolerance", "entry_point", "stop"})
            posed = problem_of(OwnProblem.model_validate({"id": "row", **parts}), self.language, "")
            return posed, cut_at_stop(self.completion, posed.stop)
        if self.form == "multipl_e":  # as its reader has it
            name = name or function_name(self.prompt, self.language)
        stop = tuple(self.stop)
        given = (self.language, self.prompt, self.tests, self.form, stop)
        return Problem("", "", *given, entry_point=name, extra=self.extra), cut_at_stop(self.completion, stop)


def read_written(row: dict[str, Any], where: str) -> tuple[Callable[[Nonce], Program], Program]:
    """What makes the program of a row, and the program as it is for a nonce that is the same for all rows.

    Raises:
        ConfigError: what is wrong with the row; each line names `where` it stands.
    """
    kinds = [kind for key, kind in (("cases", _Answering), ("tests", _Tested)) if key in row]
    if len(kinds) != 1:
        misspelt = "".join(_misspelt(key, row) for key in ("cases", "tests") if not kinds)
        raise ConfigError(f"{where}: give `program` and `cases`, or `prompt`, `completion` and `tests`{misspelt}")
    try:
        problem, completion = kinds[0].model_validate(row).problem()
    except ValidationError as errors:
        raise ConfigError([f"{where}: {_told(error, row)}" for error in errors.errors()]) from None
    except ValueError as fault:
        raise ConfigError(f"{where}: {fault}") from None
    make = partial(program_of, problem, completion)
    try:
        return make, make(Nonce(0, 0))
    except Exception as error:  # whatever it is that a form does not find in its tests
        raise ConfigError(
            f"{where}: form '{problem.form}' makes no {problem.language} program of this prompt, completion and tests "
            f"({type(error).__name__}: {error})"
        ) from error


def _told(error: Any, row: dict[str, Any]) -> str:
    place = ".".join(map(str, error["loc"]))
    misspelt = _misspelt(place, row) if error["type"] == "missing" else ""
    return (f"{place}: " if place else "") + error["msg"].removeprefix("Value error, ") + misspelt


def _misspelt(key: str, row: dict[str, Any]) -> str:
    unknown = sorted(row.keys() - {*_Answering.model_fields, *_Tested.model_fields})
    near = get_close_matches(key, unknown, n=1)
    return f"; the row has '{near[0]}'" if near else ""
