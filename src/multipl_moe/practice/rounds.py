"""Rounds of a practice: tasks are asked, answers judged, failing ones asked for again, and what passes is kept.

What is asked next follows from the recipe and from what was judged before, never from the clock: a practice that was
stopped at any point and started again ends with the same files.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completer, request_of
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.judge.outcome import Outcome
from multipl_moe.practice.journal import NAMES, Key, PracticeJournal
from multipl_moe.practice.judging import Judge
from multipl_moe.practice.keeping import kept_rows
from multipl_moe.practice.prompts import asked
from multipl_moe.practice.summary import REPORT_FILE, summary
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.problems.problem import Problem
from multipl_moe.recipe.practice import PracticeSection
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import open_run, write_json
from multipl_moe.runs.journal import write_journal

KEPT_FILE = "kept.jsonl"
ENOUGH = 200
"""Answers that must be judged before a low yield stops a round."""


@dataclass
class RoundProgress:
    """How far a round is.

    Attributes:
        round: its number.
        total: first answers that the round has.
        resumed: of them, those that an earlier start left.
        done: of them, those that are judged.
        answers: all answers judged, repairs too.
        passed: of them.
        tasks, tasks_passed: tasks that were asked, and that passed at least once.
    """

    round: int
    total: int
    resumed: int
    done: int = 0
    answers: int = 0
    passed: int = 0
    tasks: set[str] = field(default_factory=set)
    tasks_passed: set[str] = field(default_factory=set)

    @property
    def share(self) -> float:
        """Yield: answers that pass, of those that were judged."""
        return self.passed / max(self.answers, 1)

    def __str__(self) -> str:
        return (
            f"{self.passed:,} of {self.answers:,} pass ({self.share:.1%}), "
            f"{len(self.tasks_passed):,} of {len(self.tasks):,} tasks"
        )


def practise(
    recipe: Recipe,
    completer: Completer,
    task_set: TaskSet,
    output: Path,
    options: EvalOptions,
    on_progress: Callable[[RoundProgress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Do the rounds of this completer that are not done yet, and write kept.jsonl and practice.json.

    A round belongs to whoever made its answers: the model, the settings, the way it is asked, the tasks. Another model
    on the same folder adds rounds of its own.

    Returns:
        The content of practice.json, see `summary`.

    Raises:
        OutputError: the folder cannot be written, or holds other things.
        UserError: what the completer raises.
    """
    journal = PracticeJournal(output)
    section = recipe.practice
    maker = {
        "model": completer.identity,
        "settings": section.codegen.model_dump(mode="json"),
        "help": section.model_dump(include={"show_solution", "examples", "repairs"}),
        "tasks": task_set.digest,
    }
    open_run(output, recipe)
    stopped = False
    try:
        for number in range(section.rounds):
            mine = [line for line in journal.rounds if line["maker"] == maker]
            if number == len(mine):
                if not (line := _planned(journal, task_set, section))["tasks"]:
                    break
                mine.append(line | {"sampler": completer.name, "maker": maker})
                journal.add_round(mine[-1])
            stopped = _Round(recipe, completer, task_set, journal, mine[number], options, on_progress).run()
            if stopped:
                break
    finally:
        rows, dropped = kept_rows(journal, section.keep_per_task, task_set.index)
        write_journal(output / KEPT_FILE, rows)
        result = summary(journal, maker, rows, dropped, task_set, section, stopped=stopped)
        write_json(output / REPORT_FILE, result)
    return result


def _planned(journal: PracticeJournal, task_set: TaskSet, section: PracticeSection) -> dict[str, Any]:
    """The next round: tasks that did not pass often enough, each with the number of its first new sample."""
    judged, passed = Counter[str](), Counter[str]()
    for (task, _, _), verdict in journal.verdicts.items():
        judged[task] += 1
        passed[task] += verdict["outcome"] == Outcome.passed
    asked_before = Counter[str]()
    for line in journal.rounds:
        asked_before.update(dict.fromkeys(line["tasks"], line["num_samples"]))
    left = [task for key, task in task_set.tasks.items() if passed[key] < section.keep_per_task]
    if section.order == "easiest":
        left.sort(
            key=lambda task: (
                -passed[task.key] / max(judged[task.key], 1),
                len(task.prompt) + len(task.tests),
                task.key,
            )
        )
    return {
        "round": len(journal.rounds) + 1,
        "num_samples": section.codegen.num_samples,
        "tasks": {task.key: asked_before[task.key] for task in left},
        "examples": _examples(journal, task_set, section.examples),
    }


def _examples(journal: PracticeJournal, task_set: TaskSet, count: int) -> dict[str, list[str]]:
    """The shortest worked examples of each language: one a task, of answers that passed, or references."""
    found: dict[str, dict[str, str]] = {}
    for task in task_set.tasks.values() if count else ():
        if task.reference is not None:
            found.setdefault(task.language, {})[task.key] = task.prompt + task.reference
    for key, verdict in journal.verdicts.items() if count else ():
        if "answer" in verdict:
            sample = journal.samples[key]
            found.setdefault(sample["language"], {})[sample["task"]] = sample["prompt"] + verdict["answer"]
    return {
        language: sorted(dict.fromkeys(texts.values()), key=lambda text: (len(text), text))[: count + 1]
        for language, texts in found.items()
    }  # one more, for the task whose own answer is among them


class _Round:
    """A round at work: batches are answered in this thread while the one before is judged in another."""

    def __init__(
        self,
        recipe: Recipe,
        completer: Completer,
        task_set: TaskSet,
        journal: PracticeJournal,
        line: Mapping[str, Any],
        options: EvalOptions,
        on_progress: Callable[[RoundProgress], None],
    ) -> None:
        self._section, self._completer, self._task_set = recipe.practice, completer, task_set
        self._journal, self._line, self._on_progress = journal, line, on_progress
        self._judge = Judge(options, recipe.programs, threading.Event())
        keys = [
            (task, first + number, 0) for task, first in line["tasks"].items() for number in range(line["num_samples"])
        ]
        size = self._section.codegen.batch_sequences
        self._batches = deque(keys[begin : begin + size] for begin in range(0, len(keys), size))
        self._known = {
            (key[0], journal.samples[key]["completion"]): {name: line[name] for name in line if name not in NAMES}
            for key, line in journal.verdicts.items()
            if self._is_judged(key)
        }
        self._progress = RoundProgress(line["round"], len(keys), sum(key in journal.samples for key in keys))

    def run(self) -> bool:
        """Do what is left of the round; whether it stops because too little passes."""
        self._on_progress(self._progress)
        pending: tuple[list[Key], Future[dict[Key, dict[str, Any]]]] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="practice") as judging:
            try:
                while self._batches or pending:
                    batch = self._batches.popleft() if self._batches else None
                    if batch is not None:
                        self._answer(batch)
                    if pending is not None and self._collect(pending[0], pending[1].result()):
                        return True
                    pending = None if batch is None else (batch, judging.submit(self._judged, batch))
            except BaseException:
                self._judge.stopped.set()
                raise
        return False

    def _answer(self, batch: list[Key]) -> None:
        """Sample a batch of which answers are missing: whole, as a model's last bits depend on its batch."""
        if all(key in self._journal.samples for key in batch):
            return
        section = self._section
        requests = [request_of(self._asked(key), key[1], section.codegen.seed) for key in batch]
        made = self._completer.complete(requests, section.codegen)
        prompts = [self._task_set.tasks[key[0]].prompt for key in batch]
        self._journal.add_samples(self._line["round"], zip(batch, prompts, requests, made, strict=True))

    def _asked(self, key: Key) -> Problem:
        task = self._task_set.tasks[key[0]]
        texts = [text for text in self._line["examples"].get(task.language, []) if not text.startswith(task.prompt)]
        before = (key[0], key[1], key[2] - 1)
        failed = None
        if key[2]:
            failed = self._journal.samples[before]["completion"], self._journal.verdicts[before]["output"]
        return asked(
            task,
            solution=self._task_set.solutions.get(task.key) if self._section.show_solution else None,
            examples=texts[: self._section.examples],
            failed=failed,
        )

    def _judged(self, batch: list[Key]) -> dict[Key, dict[str, Any]]:
        """New verdicts; an answer that was given before needs no other judgement."""
        texts = {key: self._journal.samples[key]["completion"] for key in batch if not self._is_judged(key)}
        known = {key: self._known[key[0], text] for key, text in texts.items() if (key[0], text) in self._known}
        answers = {key: (self._task_set.tasks[key[0]], text) for key, text in texts.items() if key not in known}
        found = self._judge.verdicts(answers) | known
        return {key: found[key] for key in texts if key in found}

    def _is_judged(self, key: Key) -> bool:
        return self._journal.verdicts.get(key, {"outcome": Outcome.harness_error})["outcome"] != Outcome.harness_error

    def _collect(self, batch: list[Key], verdicts: dict[Key, dict[str, Any]]) -> bool:
        """Record a batch's verdicts and put what is to be repaired next; whether too little passes."""
        self._journal.add_verdicts(verdicts)
        progress, again = self._progress, []
        for key in batch:
            outcome = self._journal.verdicts[key]["outcome"]
            has_passed = outcome == Outcome.passed
            progress.tasks.add(key[0])
            progress.answers += 1
            progress.passed += has_passed
            progress.done += key[2] == 0
            if has_passed:
                progress.tasks_passed.add(key[0])
            elif key[2] < self._section.repairs and outcome != Outcome.harness_error:
                again.append((key[0], key[1], key[2] + 1))
        if again:
            self._batches.appendleft(again)
        self._on_progress(progress)
        return progress.answers >= ENOUGH and progress.share < self._section.min_yield
