"""Known completions in the place of a model's: references, to check a benchmark and this machine."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from multipl_moe.codegen.completer import Completion, Finish, Request
from multipl_moe.recipe.codegen import CodegenSection


class KnownCompleter:
    """Answers each problem with a text that is known.

    Args:
        name: what the texts are.
        texts: the completion of each problem, by key.
    """

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
