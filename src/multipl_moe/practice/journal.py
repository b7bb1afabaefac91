"""The folder of a practice: rounds.jsonl, samples.jsonl and verdicts.jsonl, which only grow and survive a kill."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from multipl_judge.judge.outcome import Outcome
from multipl_moe.codegen.completer import Completion, Finish, Request
from multipl_moe.errors import OutputError
from multipl_moe.runs.journal import append_to_journal, read_journal
from multipl_moe.runs.record import Record
from multipl_moe.system.staging import is_unused

ROUNDS_FILE = "rounds.jsonl"
SAMPLES_FILE = "samples.jsonl"
VERDICTS_FILE = "verdicts.jsonl"
Key = tuple[str, int, int]
"""Task, number of the sample, and which repair of it, 0 for the first answer."""
NAMES = ("task", "sample", "repair")


class PracticeJournal:
    """What was asked, answered and judged, in order.

    Attributes:
        rounds: lines with number (`round`), `sampler`, `maker` (all that decides the answers), `tasks` (number of the
            first sample by task), `num_samples` and `examples` (by language).
        samples: answers by key, with the plain `prompt` of the task.
        verdicts: what became of them, with `answer` where it is worth keeping, and `digest` of the task as it was.

    Raises:
        OutputError: the folder holds other things, or a line is none of these, or lacks the one that it goes with.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not is_unused(folder) and not (folder / ROUNDS_FILE).is_file():
            raise OutputError(f"output: {folder} holds no practice; choose another folder")
        self.rounds = self._read(ROUNDS_FILE, _Round)
        self.samples = self._by_key(SAMPLES_FILE, _Sample)
        self.verdicts = self._by_key(VERDICTS_FILE, _Verdict)
        numbers = {line["round"] for line in self.rounds}
        self._require(SAMPLES_FILE, ROUNDS_FILE, (key for key, s in self.samples.items() if s["round"] not in numbers))
        self._require(VERDICTS_FILE, SAMPLES_FILE, self.verdicts.keys() - self.samples.keys())

    def begin(self) -> None:
        """Make the folder that of a practice."""
        append_to_journal(self.folder / ROUNDS_FILE, ())

    def add_samples(self, line: dict[str, Any], answers: Iterable[tuple[Key, str, Request, Completion]]) -> None:
        """Record answers of a round with the prompts of their tasks; those that are there already stay as they are.

        The round's line comes with its first answers: one that gets none takes no numbers of samples from others.
        """
        if line not in self.rounds:
            append_to_journal(self.folder / ROUNDS_FILE, [line])
            self.rounds.append(line)
        lines = {
            key: {**_named(key), "round": line["round"], "language": request.problem.language, "prompt": prompt}
            | completion.to_json()
            | {"seed": request.seed}
            for key, prompt, request, completion in answers
            if key not in self.samples
        }
        append_to_journal(self.folder / SAMPLES_FILE, lines.values())
        self.samples.update(lines)

    def add_verdicts(self, verdicts: Mapping[Key, dict[str, Any]]) -> None:
        """Record what became of answers."""
        lines = {key: _named(key) | verdict for key, verdict in verdicts.items()}
        if lines:
            append_to_journal(self.folder / VERDICTS_FILE, lines.values())
        self.verdicts.update(lines)

    def _read(self, name: str, kind: type[Record]) -> list[dict[str, Any]]:
        lines = read_journal(self.folder / name)
        for number, line in enumerate(lines, start=1):
            kind.part_of(line, f"output: {self.folder / name}, line {number}")
        return lines

    def _by_key(self, name: str, kind: type[Record]) -> dict[Key, dict[str, Any]]:
        return {tuple(line[name] for name in NAMES): line for line in self._read(name, kind)}

    def _require(self, name: str, other: str, lost: Iterable[Key]) -> None:
        for key in lost:
            told = ", ".join(f"{name} {value}" for name, value in _named(key).items())
            raise OutputError(f"output: {self.folder / name}: {other} lacks the line that {told} goes with; remove it")


class _Maker(Record):
    model: dict[str, Any]
    settings: dict[str, Any]
    help: dict[str, Any]
    tasks: str


class _Round(Record):
    round: int
    sampler: str
    maker: _Maker
    tasks: dict[str, int]
    num_samples: int
    examples: dict[str, list[str]]


class _Answer(Record):
    task: str
    sample: int
    repair: int


class _Sample(_Answer):
    round: int
    language: str
    prompt: str
    completion: str
    finish: Finish
    seed: int


class _Verdict(_Answer):
    outcome: Outcome
    stage: str
    output: str
    answer: str | None = None
    digest: str | None = None

    @model_validator(mode="after")
    def _has_what_passed(self) -> Self:
        if self.outcome == Outcome.passed and self.answer is None:
            raise ValueError("answer: is missing, of one that passed")
        return self


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(NAMES, key, strict=True))
