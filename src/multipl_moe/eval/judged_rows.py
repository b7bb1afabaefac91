"""Programs in rows of JSON, judged as they come: the same rows with their outcomes, in a journal that is gone on with.

No row and no output is held longer than it takes: what is kept of each is a number of eight bytes, and of each program
where the journal has its verdict.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.preflight import preflight
from multipl_judge.judge.scoring import Task, judge_all, key_of
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.problems.language_codes import require_language
from multipl_judge.problems.written import read_written
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import held_journal
from multipl_moe.recipe.evaluation import ProgramsSection
from multipl_moe.runs.journal import append_to_journal, journal_lines, read_line, write_journal

VERDICTS_FILE = "verdicts.jsonl"
PARTS_FOLDER = "parts"  # of judged_parts.py, which imports torch: rows are tried, and refused, without
_VERDICT = ("outcome", "stage", "output", "compile_s", "run_s", "peak_bytes")
_ADDED = {"row", "sha256", *_VERDICT}
_FAULTS_TOLD = 20

Rows = Iterable[tuple[str, dict[str, Any]]]
"""Where each row stands, for messages, and the row: what `problems.rows` reads."""


@dataclass(frozen=True)
class _RowTask(Task):
    number: int
    row: dict[str, Any]
    language: str


class RowJudge:
    """Judges rows into verdicts.jsonl of a folder, which exists by the time of `judge`; progress is told in rows.

    Args:
        programs: workers and limits are used.
        part: which of how many parts of the rows it judges; a program's content says which it is of.
    """

    def __init__(
        self, folder: Path, options: EvalOptions, programs: ProgramsSection, part: tuple[int, int] = (0, 1)
    ) -> None:
        self._part = part
        self._file, self._options, self._programs = folder / VERDICTS_FILE, options, programs
        self._unusable: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._judged = array("Q")  # the beginning of the key of each row's program, 0 where it is not judged
        self._verdicts: dict[bytes, int] = {}
        self._num_done = self._num_resumed = 0
        self._num_rows: int | None = None
        self._outcomes: dict[str, Counter[str]] = {}

    @property
    def num_new(self) -> int:
        """Rows that this run has judged, without those that it found judged."""
        return self._num_done - self._num_resumed

    @property
    def summary(self) -> dict[str, Any]:
        """Rows that are judged, different programs among them, and rows by language and outcome."""
        outcomes = {language: dict(sorted(found.items())) for language, found in sorted(self._outcomes.items())}
        return {"rows": self._num_done, "programs": len(self._verdicts), "outcomes": outcomes}

    def check(self, rows: Rows) -> None:
        """See that all rows can be judged, so that none is refused after hours.

        Raises:
            ConfigError: what is wrong with the first that cannot, each with its place, but a language that is not known
                once; or there is none.
        """
        self._num_rows, faults = 0, []
        languages: set[str] = set()
        for where, row in rows:
            self._num_rows += 1
            try:
                self._require_usable(_read(row, where)[1], where)
            except ConfigError as error:
                told = [fault.removeprefix(f"{where}: ") for fault in error.problems]
                faults += [f"{where}: {fault}" for fault in told if fault not in languages]
                languages |= {fault for fault in told if fault.startswith("language: no language ")}
            if len(faults) >= _FAULTS_TOLD:
                break
        if faults or not self._num_rows:
            raise ConfigError(faults or "file: it has no row to judge")

    def judge(self, rows: Rows) -> None:
        """Judge the rows that the journal does not hold yet, equal programs once.

        Raises:
            ConfigError: a row cannot be judged; what was judged before it stays.
            OutputError: the journal holds verdicts on other rows.
            HeldError: another process, or another call, judges in this folder.
        """
        with held_journal(self._file):
            self._resume()
            bounds: dict[str, Any] = {"workers": self._programs.workers, "limits": self._programs.limits}
            judge_all(self._tasks(rows), on_result=self._take, **bounds, **self._options.ways)

    def _resume(self) -> None:
        """Learn what the journal holds; what the judge itself failed on goes, and is judged again."""
        if any(_is_failure(line) for _, line in journal_lines(self._file)):
            write_journal(self._file, (line for _, line in journal_lines(self._file) if not _is_failure(line)))
        for start, line in journal_lines(self._file):
            try:
                self._count(line["row"], line["sha256"], require_language(line["language"]), line["outcome"], start)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise OutputError(f"output: {self._file} holds a line that is not a verdict ({error})") from error
        self._num_resumed = self._num_done

    def _tasks(self, rows: Rows) -> Iterator[_RowTask]:
        for number, (where, row) in enumerate(rows, start=1):
            make, program = _read(row, where)
            self._require_usable(program, where)
            key = key_of(program, self._programs.limits)
            if _beginning(key) % self._part[1] != self._part[0]:
                continue
            task = _RowTask(key, lambda make=make: make(Nonce.draw()), number, row, program.language)
            if number <= len(self._judged) and self._judged[number - 1]:
                if self._judged[number - 1] != _beginning(key):
                    raise OutputError(
                        f"{where}: {self._file} holds a verdict on another row {number}; "
                        "go on with the rows that it was begun with, or choose another folder"
                    )
            elif (start := self._verdicts.get(bytes.fromhex(key))) is not None:
                self._write(task, read_line(self._file, start))
            else:
                yield task

    def _require_usable(self, program: Program, where: str) -> None:
        """Raise ConfigError where the toolchain of a program, with what it wants, does not work here."""
        language, wants = asked = (program.language, program.wants)
        if asked not in self._unusable:
            check = preflight([language], wants={language: wants}, **self._options.ways)[language]
            self._unusable[asked] = check.problem
            if problem := self._unusable[asked]:
                raise ConfigError(f"{where}: cannot be judged here: {problem}")

    def _take(self, task: Task, judgement: Judgement) -> None:
        assert isinstance(task, _RowTask)
        self._write(task, judgement.record())

    def _write(self, task: _RowTask, verdict: dict[str, Any]) -> None:
        line = {**task.row, "row": task.number, "sha256": task.key, **{name: verdict[name] for name in _VERDICT}}
        start = append_to_journal(self._file, [line], sync=False)  # what a power failure takes is judged again
        self._count(task.number, task.key, task.language, line["outcome"], start)

    def _count(self, number: int, key: str, language: str, outcome: str, start: int) -> None:
        self._judged.extend([0] * (number - len(self._judged)))
        self._judged[number - 1] = _beginning(key)
        if outcome != Outcome.harness_error:
            self._verdicts.setdefault(bytes.fromhex(key), start)
        self._outcomes.setdefault(language, Counter())[outcome] += 1
        self._num_done += 1
        self._options.on_progress(self._num_done, self._num_rows or len(self._judged))


def _read(row: dict[str, Any], where: str) -> tuple[Callable[[Nonce], Program], Program]:
    """`read_written`, of a row that can be written with a verdict; one that holds a whole verdict gets a new one."""
    taken = sorted(_ADDED & set(row))
    if taken and set(taken) != _ADDED:
        raise ConfigError(f"{where}: {', '.join(taken)}: verdicts are written by these names; rename them in the rows")
    try:
        json.dumps(row, allow_nan=False)
    except ValueError:
        raise ConfigError(f"{where}: a number is NaN or infinite, which JSON has no word for; write null") from None
    except TypeError as error:
        raise ConfigError(f"{where}: a value is none of JSON ({error}); write it as a text or a number") from None
    make, program = read_written(row, where)
    try:
        "".join([program.source, *(text for case in program.cases for text in case)]).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: half of a surrogate pair, which is no text; mend or leave out the row") from None
    return make, program


def _is_failure(line: dict[str, Any]) -> bool:
    return line.get("outcome") == Outcome.harness_error


def _beginning(key: str) -> int:
    return int(key[:16], 16)
