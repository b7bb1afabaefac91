"""The folder of a practice: rounds.jsonl, samples.jsonl and verdicts.jsonl, which only grow and survive a kill."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completion, Request
from multipl_moe.errors import OutputError
from multipl_moe.runs.journal import append_to_journal, read_journal
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
        samples: answers by key; a line has also the plain `prompt` of the task.
        verdicts: what became of them, with `answer` where it is worth keeping.

    Raises:
        OutputError: the folder holds other things, or a line is none of these.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not is_unused(folder) and not (folder / ROUNDS_FILE).is_file():
            raise OutputError(f"output: {folder} holds no practice; choose another folder")
        self.rounds = read_journal(folder / ROUNDS_FILE)
        self.samples = self._read(SAMPLES_FILE)
        self.verdicts = self._read(VERDICTS_FILE)

    def add_round(self, line: dict[str, Any]) -> None:
        """Record a round before it begins."""
        append_to_journal(self.folder / ROUNDS_FILE, [line])
        self.rounds.append(line)

    def add_samples(self, number: int, answers: Iterable[tuple[Key, str, Request, Completion]]) -> None:
        """Record answers of a round with the prompts of their tasks; those that are there already stay as they are."""
        lines = {
            key: {**_named(key), "round": number, "language": request.problem.language, "prompt": prompt}
            | {"completion": completion.text, "finish": str(completion.finish), "seed": request.seed}
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

    def _read(self, name: str) -> dict[Key, dict[str, Any]]:
        try:
            lines = read_journal(self.folder / name)
            return {tuple(line[name] for name in NAMES): line for line in lines}
        except KeyError as missing:
            raise OutputError(f"output: {self.folder / name} has a line without {missing}; remove the line") from None


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(NAMES, key, strict=True))
