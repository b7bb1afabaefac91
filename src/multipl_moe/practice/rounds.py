"""Rounds of a practice, one after the other, and what is kept of all of them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_moe.codegen.completer import Completer
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.journal import PracticeJournal
from multipl_moe.practice.keeping import kept_rows
from multipl_moe.practice.one_round import Round, RoundProgress
from multipl_moe.practice.summary import REPORT_FILE, summary
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.recipe.practice import PracticeSection
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import open_run, write_json
from multipl_moe.runs.journal import write_journal

KEPT_FILE = "kept.jsonl"


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
            stopped = Round(recipe, completer, task_set, journal, mine[number], options, on_progress).run()
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
