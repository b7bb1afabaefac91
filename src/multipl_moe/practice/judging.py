"""Answers judged, and those that pass cut where their function ends."""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.forms.parts import closed, closed_class
from multipl_judge.problems.problem import Problem
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.journal import Key
from multipl_moe.recipe.evaluation import ProgramsSection

_MARGIN = re.compile(r"\n(?=\S)")
_CLOSING = re.compile(r"[\s)}\];]*(?:end\b)?[\s)}\];]*")
_MAX_CUTS = 8
_CLOSED_BY_TESTS = ("cpp", "java", "rust")  # in MultiPL-E their tests begin with the end of the function
_CLOSED_BY_ANSWER = ("go", "ruby")  # in MultiPL-E the answer holds it


@dataclass(frozen=True)
class Judge:
    """How answers are judged: once `stopped` is set, no other program is started."""

    options: EvalOptions
    programs: ProgramsSection
    stopped: threading.Event = field(default_factory=threading.Event)

    def verdicts(self, answers: Mapping[Key, tuple[Problem, str]]) -> dict[Key, dict[str, Any]]:
        """What became of each answer, as a line of verdicts.jsonl: outcome, stage, what was printed; none once stopped.

        Of one that passes `answer` is what there is to keep: the shortest of its beginnings that passes too, where the
        rest begins with a line in the margin, so that it ends where the function does; closed, where the tests close
        the function.
        """
        judged = self._judged([*answers.values()])
        found = {key: judged[digest] for key, answer in answers.items() if (digest := _digest(*answer)) in judged}
        passed = [answers[key] for key, judgement in found.items() if judgement.outcome == Outcome.passed]
        shorter = self._judged([(task, part) for task, text in passed for part in _beginnings(task, text)])
        if self.stopped.is_set():
            return {}
        verdicts = {}
        for key, judgement in found.items():
            task, text = answers[key]
            verdicts[key] = {"outcome": str(judgement.outcome), "stage": judgement.stage, "output": judgement.output}
            if judgement.outcome == Outcome.passed:
                parts = [*_beginnings(task, text)]
                fit = [part for part in parts if shorter[_digest(task, part)].outcome == Outcome.passed]
                verdicts[key] |= {"output": "", "answer": _whole(task, fit[0] if fit else text)}
        return verdicts

    def _judged(self, programs: Sequence[tuple[Problem, str]]) -> dict[str, Judgement]:
        judged: dict[str, Judgement] = {}

        def tasks() -> Iterator[Task]:
            for task, text in programs:
                if self.stopped.is_set():
                    return
                yield Task(_digest(task, text), lambda task=task, text=text: program_of(task, text, Nonce.draw()))

        def take(task: Task, judgement: Judgement) -> None:
            judged[task.key] = judgement

        workers, limits = self.programs.workers, self.programs.limits
        judge_all(tasks(), on_result=take, workers=workers, limits=limits, **self.options.ways)
        return judged


def _digest(task: Problem, text: str) -> str:
    return hashlib.sha256(f"{task.key}\n{text}".encode(errors="surrogatepass")).hexdigest()


def _beginnings(task: Problem, text: str) -> Iterator[str]:
    """The answer cut before each line in the margin, the shortest first, where more than what closes it goes."""
    if task.asks_for_file:
        return
    cuts = [found.start() + 1 for found in _MARGIN.finditer(text)]
    yield from (text[:cut] for cut in cuts[:_MAX_CUTS] if not _CLOSING.fullmatch(text[cut:]))


def _whole(task: Problem, text: str) -> str:
    if task.form == "multipl_e" and task.language in _CLOSED_BY_TESTS:
        closing = "\n" + task.tests.split("\n", 1)[0].rstrip() + "\n"
        return text.rstrip() + closing + ("}\n" if task.language == "java" else "")
    is_open = task.form == "multipl_e" and task.language not in _CLOSED_BY_ANSWER
    if is_open or task.form in ("starter", "calls", "mbxp", "humaneval_x"):
        return (closed_class if task.language == "java" else closed)(task, text.rstrip())
    return text.rstrip() + "\n"
