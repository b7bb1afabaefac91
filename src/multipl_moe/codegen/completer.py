"""What asks for a completion, what comes back, and who makes it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from multipl_judge.problems.problem import Problem
from multipl_moe.recipe.codegen import CodegenSection

SampleKey = tuple[str, int]
"""Key of the problem and number of the sample."""


class Finish(StrEnum):
    """Why a completion ends."""

    stop = "stop"
    """At a stop string."""
    length = "length"
    """At the most tokens that were asked for, or that the model can read."""
    end = "end"
    """The model ended the text by itself."""


@dataclass(frozen=True)
class Request:
    """One sample of one problem; samples count from 0.

    The seed of its drawing, 63 bits, follows from the run's seed, the problem's key and the sample alone.

    Attributes:
        help: of a chat, what is said before the question.
    """

    problem: Problem
    sample: int
    seed: int
    help: str = ""

    @property
    def key(self) -> SampleKey:
        """Where its completion is found."""
        return self.problem.key, self.sample


@dataclass(frozen=True)
class Completion:
    """What was written for a request.

    Attributes:
        text: follows the prompt as it is; ends before the first stop string.
        finish: why it ends there.
        said: of a chat, all of the answer, out of which the text was taken.
    """

    text: str
    finish: Finish
    said: str | None = None

    def to_json(self) -> dict[str, str]:
        """Its part of a row of samples."""
        said = {} if self.said is None else {"said": self.said}
        return {"completion": self.text, "finish": self.finish} | said

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Completion":
        """The reverse of `to_json`; ValueError and KeyError: it is none."""
        return cls(row["completion"], Finish(row["finish"]), row.get("said"))


Extract = Callable[[Problem, str], str]
"""The completion that an answer of a chat means, as `completion_of_answer`."""


DID_NOT_FIT = Completion("", Finish.length)
"""Of a prompt that the model cannot read, being too long: it counts as an answer that fails, and is named."""


def completion_of(answer: str, code: str, *, by_length: bool) -> Completion:
    """The code that was taken out of a chat's answer; `by_length` says that the answer ran out of tokens.

    The code is cut off, too, if it is all of the answer, or if a block of the answer never closes.
    """
    is_cut = by_length and (code == answer or answer.count("```") % 2 == 1)
    return Completion(code, Finish.length if is_cut else Finish.stop, answer)


class Completer(Protocol):
    """Whoever makes completions."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What makes its completions its own, as JSON: a run goes on only with an equal one."""
        ...

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        """A completion for each request, in their order.

        Raises:
            UserError: it cannot be done, and why.
        """
        ...


class KnownCompleter:
    """Answers each problem with a text that is known, by the problem's key: references, to check a benchmark."""

    def __init__(self, name: str, texts: Mapping[str, str]) -> None:
        self.name = name
        self._texts = dict(texts)

    @property
    def identity(self) -> dict[str, Any]:
        """A digest of the texts."""
        return {"texts": hashlib.sha256(json.dumps(sorted(self._texts.items())).encode()).hexdigest()}

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        """The known completion of each problem."""
        return [Completion(self._texts[request.problem.key], Finish.end) for request in batch]


def request_of(problem: Problem, sample: int, seed: int) -> Request:
    """The request for a sample, with its seed drawn from the run's `seed`."""
    digest = hashlib.sha256(f"{seed}/{problem.key}/{sample}".encode()).digest()
    return Request(problem, sample, int.from_bytes(digest[:8]) >> 1)


def chat_prompt(problem: Problem, help: str = "") -> str:
    """What a chat model is asked: the task as the benchmark words it is in the prompt's own comments."""
    language = problem.language
    if problem.asks_for_file:
        asked, holds = f"Write this {language} program.", "the whole file"
    else:
        asked, holds = f"Complete this {language} code.", "the whole function, what is given included"
    answer = f"Answer with one code block that holds {holds}, and no tests."
    return f"{help}{asked} {answer}\n\n```{language}\n{problem.prompt.rstrip()}\n```"
