"""One round at work: tasks are asked, answers judged, and failing ones asked for again.

What is asked next follows from the recipe and from what was judged before, never from the clock: a round that was
stopped at any point and started again ends with the same files.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from multipl_judge.errors import UserError
from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.problem import Problem, commented
from multipl_moe.codegen.completer import Completer, Request, request_of
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.journal import NAMES, Key, PracticeJournal
from multipl_moe.practice.judging import Judge
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.recipe.recipe import Recipe

ENOUGH = 200
"""Answers that must be judged before a low yield stops a round."""
_MIXED = 8  # batches among which prompts are sorted by length: padding is read, too, and can take most of the time
_MESSAGE_CHARACTERS = 300  # at either end: compilers begin with what is wrong, interpreters end with it


@dataclass
class RoundProgress:
    """How far a round, by its number, is.

    Attributes:
        total, resumed, answered, done: first answers that the round has, that an earlier start left, that this one
            made, and that are judged.
        answers, passed: answers judged, repairs too, and those that passed.
        tasks, tasks_passed: tasks that were asked, and that passed at least once.
    """

    round: int
    total: int
    resumed: int
    answered: int = 0
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
        if not self.answers:
            return "none judged yet"
        return (
            f"{self.passed:,} of {self.answers:,} pass ({self.share:.1%}), "
            f"{len(self.tasks_passed):,} of {len(self.tasks):,} tasks"
        )


class Round:
    """A round at work: batches are answered in this thread while the one before is judged in another."""

    def __init__(
        self,
        recipe: Recipe,
        completer: Completer,
        task_set: TaskSet,
        journal: PracticeJournal,
        line: dict[str, Any],
        options: EvalOptions,
        on_progress: Callable[[RoundProgress], None],
    ) -> None:
        self._section, self._completer, self._task_set = recipe.practice, completer, task_set
        self._journal, self._line, self._on_progress = journal, line, on_progress
        self._judge = Judge(options, recipe.programs)
        keys = [
            (task, first + number, 0) for task, first in line["tasks"].items() for number in range(line["num_samples"])
        ]
        self._batches = deque(self._in_batches(keys))
        self._known = {
            (key[0], journal.samples[key]["completion"]): {name: line[name] for name in line if name not in NAMES}
            for key, line in journal.verdicts.items()
            if self._is_judged(key) and task_set.is_of_today(line)
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
                    try:
                        if batch is not None:
                            self._answer(batch)
                    except UserError:  # of a server: what was answered before is judged all the same
                        if pending is not None:
                            self._collect(pending[0], pending[1].result())
                        raise
                    if pending is not None and self._collect(pending[0], pending[1].result()):
                        return True
                    pending = None if batch is None else (batch, judging.submit(self._judged, batch))
            except BaseException:
                self._judge.stopped.set()
                raise
        return False

    def _in_batches(self, keys: list[Key]) -> Iterator[list[Key]]:
        """Prompts of like length together; those of a few batches at random, as the first ones judge the round."""

        def length(key: Key) -> int:
            return len((asked := self._asked(key)).help) + len(asked.problem.prompt)

        size = self._section.codegen.batch_sequences
        for begin in range(0, len(keys), _MIXED * size):
            block = sorted(keys[begin : begin + _MIXED * size], key=length)
            batches = [block[start : start + size] for start in range(0, len(block), size)]
            if self._section.order == "given":
                random.Random(f"{self._section.codegen.seed} {begin}").shuffle(batches)
            yield from batches

    def _answer(self, batch: list[Key]) -> None:
        """Sample a batch of which answers are missing: whole, as a model's last bits depend on its batch."""
        if all(key in self._journal.samples for key in batch):
            return
        section = self._section
        requests = [self._asked(key) for key in batch]
        made = self._completer.complete(requests, section.codegen)
        self._progress.answered += sum(key[2] == 0 and key not in self._journal.samples for key in batch)
        prompts = [self._task_set.tasks[key[0]].prompt for key in batch]
        self._journal.add_samples(self._line, zip(batch, prompts, requests, made, strict=True))
        self._on_progress(self._progress)

    def _asked(self, key: Key) -> Request:
        task = self._task_set.tasks[key[0]]
        texts = [text for text in self._line["examples"].get(task.language, []) if not text.startswith(task.prompt)]
        before, failed = (key[0], key[1], key[2] - 1), None
        if key[2]:
            failed = self._journal.samples[before]["completion"], self._journal.verdicts[before]["output"]
        solution = self._task_set.solutions.get(task.key) if self._section.show_solution else None
        helps = texts[: self._section.examples], solution, failed
        request = request_of(task, key[1], self._section.codegen.seed)
        if self._section.chat:
            return replace(request, help=said_before(task, *helps))
        return replace(request, problem=asked(task, *helps))

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
        digests = {key: {"digest": self._task_set.digest_of(key[0])} for key in verdicts}
        self._journal.add_verdicts({key: verdict | digests[key] for key, verdict in verdicts.items()})
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


def asked(task: Problem, examples: Sequence[str], solution: str | None, failed: tuple[str, str] | None) -> Problem:
    """The task with what helps above its prompt.

    Args:
        examples: whole functions or programs in the task's language.
        solution: in Python.
        failed: an answer, and what the judge printed of it.
    """
    notes = [] if solution is None else [f"In Python:\n{solution}"]
    if failed is not None:
        notes.append(f"This is wrong:\n{task.prompt}{failed[0]}\n\n{_shortened(failed[1])}\n\nMended:")
    above = [*(example.strip("\n") + "\n" for example in examples)]
    above += [commented(note, HARNESSES[task.language].comment) for note in notes]
    return replace(task, prompt="".join(f"{part}\n" for part in above) + task.prompt)


def said_before(task: Problem, examples: Sequence[str], solution: str | None, failed: tuple[str, str] | None) -> str:
    """What helps as a chat says it before the question: code above the task's own would be taken for a part of it.

    Args: as those of `asked`.
    """

    def block(code: str, language: str = task.language) -> str:
        return f"\n\n```{language}\n{code.strip()}\n```\n\n"

    parts = [f"Another task, and {task.language} code that solves it:{block(example)}" for example in examples]
    if solution is not None:
        parts.append(f"A solution of the task below in Python:{block(solution, 'python')}")
    if failed is not None:
        parts.append(f"This answer to the task below is wrong:{block(task.prompt + failed[0])}")
        parts.append(f"The judge says:{block(_shortened(failed[1]), '')}Write it anew, without that mistake. ")
    return "".join(parts)


def _shortened(message: str) -> str:
    message = message.strip()
    if len(message) <= 2 * _MESSAGE_CHARACTERS:
        return message
    return f"{message[:_MESSAGE_CHARACTERS]}\n...\n{message[-_MESSAGE_CHARACTERS:]}"
