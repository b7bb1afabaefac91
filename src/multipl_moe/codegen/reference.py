"""Known completions in the place of a model's: references, to check a benchmark and this machine."""

from collections.abc import Callable
from typing import Any

from multipl_moe.codegen.completer import Completion, Finish, Request
from multipl_moe.codegen.settings import CodegenSection
from multipl_moe.errors import ConfigError
from multipl_moe.problems.problem import Problem


class KnownCompleter:
    """Answers each problem with a text that is known.

    Args:
        name: what the texts are.
        text_of: the completion of a problem; None where there is none.
    """

    def __init__(self, name: str, text_of: Callable[[Problem], str | None]) -> None:
        self.name = name
        self._text_of = text_of

    @property
    def identity(self) -> dict[str, Any]:
        """The name says it all; the problems, which hold the texts, are recorded beside it."""
        return {"known": self.name}

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        """The known completion of each problem.

        Raises:
            ConfigError: a problem has none.
        """
        return [Completion(self._text(request.problem), Finish.end) for request in batch]

    def _text(self, problem: Problem) -> str:
        text = self._text_of(problem)
        if text is None:
            raise ConfigError(f"{problem.key}: it has no {self.name}; leave its benchmark out")
        return text
