"""One programming problem in one language: what every benchmark is read into."""

from collections.abc import Iterable
from dataclasses import dataclass, field

_WHOLE_FILES = ("stdin", "framework")


@dataclass(frozen=True)
class Problem:
    """A problem as its benchmark poses it; nothing in it is specific to a model.

    Attributes:
        benchmark: name of its set, such as "starter" or "multipl-e-humaneval".
        id: as the benchmark spells it; unique within benchmark and language.
        language: key of the toolchain that judges it.
        prompt: exactly what the model continues; it may end without a newline.
        tests: test code as the benchmark has it.
        form: how prompt, completion and tests become a program (key of `forms.FORMS`).
        stop: strings that end a completion and are not part of it.
        reference: a completion known to be right, where the benchmark has one.
        entry_point: name of the function under test, where it is known.
        cluster: shared by the same problem in several languages ("HumanEval/0"): their outcomes are not independent.
        extra: what else the form needs, such as set-up code.
    """

    benchmark: str
    id: str
    language: str
    prompt: str
    tests: str
    form: str
    stop: tuple[str, ...]
    reference: str | None = None
    entry_point: str | None = None
    cluster: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def asks_for_file(self) -> bool:
        """Whether a completion is a whole file, of which the prompt is only a comment that says what it must do."""
        return self.form in _WHOLE_FILES

    @property
    def key(self) -> str:
        """Name that is unique across all sets and languages."""
        return f"{self.benchmark}/{self.language}/{self.id}"


def commented(text: str, comment: str | tuple[str, str]) -> str:
    """The text as line comments, or as one block comment that nothing in the text ends.

    OCaml reads texts in its comments: where quotation marks are odd in number, each becomes two apostrophes.
    """
    if not isinstance(comment, str):
        opening, closing = comment
        text = text.replace(opening, " ".join(opening)).replace(closing, " ".join(closing)).strip()
        return f"{opening} {text.replace(chr(34), chr(39) * 2) if text.count(chr(34)) % 2 else text} {closing}\n"
    return "".join(f"{comment} {line}".rstrip() + "\n" for line in text.strip().splitlines())


def cut_at_stop(completion: str, stop: Iterable[str]) -> str:
    """The completion up to the earliest of the stop strings, which is left out; all of it where none occurs."""
    found = [completion.find(text) for text in stop]
    return completion[: min((index for index in found if index >= 0), default=len(completion))]
