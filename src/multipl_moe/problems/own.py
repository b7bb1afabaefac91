"""A user's own set of problems: a file of JSON lines, one problem a line, in the form of the starter set.

    {"id": "double", "language": "python", "prompt": "def double(n):\\n", "tests": "assert double(2) == 4\\n",
     "reference": "    return 2 * n\\n", "entry_point": "double"}

`prompt`, completion, what closes the function, and `tests` become one program (see `starter_set`). The set is named
after its file. A language other than the six needs an entry in `languages.harnesses.HARNESSES` and one in
`languages.toolchains.TOOLCHAINS`.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from multipl_moe.errors import ConfigError
from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.languages.own import how_to_add
from multipl_moe.problems.problem import Problem, cut_at_stop
from multipl_moe.problems.rows import read_rows

_Text = Annotated[str, Field(min_length=1)]


class OwnProblem(BaseModel):
    """One line of the file.

    Attributes:
        id: unique within the file and language.
        language: key of `languages.harnesses.HARNESSES`.
        prompt: what the model continues: ends where the body begins.
        tests: as after the marker `--- tests` of a starter file in this language.
        reference: a body known to be right; it is cut at the stop strings like a model's.
        stop: strings that end a completion; those of the language's starter problems if left out.
        entry_point: name of the function under test; Python guards its results against objects that claim to be equal
            to everything.
        cluster: shared by the same problem in several languages; the id if left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    language: str
    prompt: _Text
    tests: _Text
    reference: str | None = None
    stop: list[_Text] | None = None
    entry_point: Annotated[str, Field(pattern=r"^\w+[?!]?$")] | None = None
    cluster: str | None = None

    @field_validator("language")
    @classmethod
    def _is_known(cls, language: str) -> str:
        if language not in HARNESSES:
            raise ValueError(f"no harness for '{language}'; known are {', '.join(HARNESSES)}; {how_to_add(language)}")
        return language

    @field_validator("entry_point")
    @classmethod
    def _is_a_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name and name[-1] in "?!" and info.data.get("language") == "python":
            raise ValueError("no name of a Python function")
        return name


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
            problem = _problem(OwnProblem.model_validate(row), name)
        except ValidationError as errors:
            faults += [f"{where}: {_told(error)}" for error in errors.errors()]
            continue
        if first.setdefault(problem.key, where) != where:
            line = first[problem.key].rsplit(", ", 1)[-1]
            faults.append(f"{where}: id '{problem.id}' is used in {line}; give each problem its own")
        problems.append(problem)
    if not problems and not faults:
        faults.append(f"{file} holds no problem")
    if faults:
        raise ConfigError(faults)
    return problems


def _told(error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        nearest = get_close_matches(place, OwnProblem.model_fields, n=1)
        return f"{place}: unknown; " + (f"did you mean '{nearest[0]}'?" if nearest else "leave it out")
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"


def _problem(own: OwnProblem, benchmark: str) -> Problem:
    stop = tuple(own.stop) if own.stop is not None else HARNESSES[own.language].stop
    return Problem(
        benchmark=benchmark,
        id=own.id,
        language=own.language,
        prompt=own.prompt,
        tests=own.tests,
        form="starter",
        stop=stop,
        reference=None if own.reference is None else cut_at_stop(own.reference, stop),
        entry_point=own.entry_point,
        cluster=f"{benchmark}/{own.cluster or own.id}",
    )
