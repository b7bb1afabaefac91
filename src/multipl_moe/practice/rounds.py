"""Rounds of a practice, one after the other, and what is kept of them: no answer twice, no benchmark's problem."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.forms.go_file import with_imports
from multipl_judge.problems.forms.own_imports import with_imports_moved
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completer
from multipl_moe.corpus.duplicates.minhash import CodeSignature
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.journal import PracticeJournal
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
    journal.begin()
    stopped = False
    try:
        for number in range(section.rounds):
            mine = [line for line in journal.rounds if line["maker"] == maker]
            if number == len(mine):
                if not (line := _planned(journal, task_set, section))["tasks"]:
                    break
                mine.append(line | {"sampler": completer.name, "maker": maker})
            stopped = Round(recipe, completer, task_set, journal, mine[number], options, on_progress).run()
            if stopped:
                break
    finally:
        rows, dropped = kept_rows(journal, section.keep_per_task, task_set)
        write_journal(output / KEPT_FILE, rows)
        result = summary(journal, maker, rows, dropped, task_set, section, stopped=stopped)
        write_json(output / REPORT_FILE, result)
    return result


def _planned(journal: PracticeJournal, task_set: TaskSet, section: PracticeSection) -> dict[str, Any]:
    """The next round: tasks that did not pass often enough, each with the number of its first new sample."""
    judged, passed = Counter[str](), Counter[str]()
    for (task, _, _), verdict in journal.verdicts.items():
        if not task_set.is_of_today(verdict):
            continue
        judged[task] += 1
        passed[task] += verdict["outcome"] == Outcome.passed
    asked_before = Counter[str]()
    for line in journal.rounds:
        asked_before.update(dict.fromkeys(line["tasks"], line["num_samples"]))

    def hardness(task: Problem) -> tuple[float, int, str]:
        return -passed[task.key] / max(judged[task.key], 1), len(task.prompt) + len(task.tests), task.key

    left = [task for key, task in task_set.tasks.items() if passed[key] < section.keep_per_task]
    if section.order == "easiest":
        left.sort(key=hardness)
    return {
        "round": len(journal.rounds) + 1,
        "num_samples": section.codegen.num_samples,
        "tasks": {task.key: asked_before[task.key] for task in left},
        "examples": _examples(journal, task_set, section.examples),
    }


def _examples(journal: PracticeJournal, task_set: TaskSet, count: int) -> dict[str, list[str]]:
    """The shortest worked examples of each language: one a task, of answers that passed, or references."""
    if not count:
        return {}
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for task in task_set.tasks.values():
        if task.reference is not None:
            found[task.language][task.key] = task.prompt + task.reference
    for key, verdict in journal.verdicts.items():
        if "answer" in verdict and task_set.is_of_today(verdict):
            sample = journal.samples[key]
            found[sample["language"]][sample["task"]] = "".join(_learnt(sample, verdict))
    return {
        language: sorted(dict.fromkeys(texts.values()), key=lambda text: (len(text), text))[: count + 1]
        for language, texts in found.items()
    }  # one more, for the task whose own answer is among them


def kept_rows(
    journal: PracticeJournal, keep_per_task: int, task_set: TaskSet
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows of kept.jsonl, in the order of the samples, and the number of answers that passed and go, by reason.

    Of a task the first `keep_per_task` stay that are not duplicates: of another answer to it, white space apart or by
    the signatures that the corpus tells near duplicates by, or of another task with its answer.
    """
    rounds = {line["round"]: line for line in journal.rounds}
    distinct, dropped = _Distinct(), Counter[str]()
    kept: Counter[str] = Counter()
    rows = []
    for key, sample in journal.samples.items():
        verdict = journal.verdicts.get(key, {})
        if verdict.get("outcome") != Outcome.passed:
            continue
        task, answer, language = sample["task"], verdict["answer"], sample["language"]
        is_code = language not in LANGUAGES or LANGUAGES[language].is_code
        if not task_set.is_of_today(verdict):
            dropped["of a task that was changed"] += 1
        elif kept[task] >= keep_per_task:
            dropped["more of a task"] += 1
        elif task_set.index.find(sample["prompt"] + answer, language, is_code=is_code):
            dropped["contaminated"] += 1
        elif not distinct.add(task, sample["prompt"], answer):
            dropped["duplicate"] += 1
        else:
            kept[task] += 1
            made, (prompt, completion) = rounds[sample["round"]], _learnt(sample, verdict)
            rows.append(
                {"language": language, "prompt": prompt, "completion": completion, "task": task}
                | {"sampler": made["sampler"], "temperature": made["maker"]["settings"]["temperature"]}
                | {name: sample[name] for name in ("seed", "sample", "repair", "round")}
                | {"verdict": verdict["outcome"]}
            )
    return rows, dict(dropped)


def _learnt(sample: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[str, str]:
    """Prompt and completion to learn: imports of the answer, in Go the judge's too, stand in the prompt."""
    language = sample["language"]
    prompt, completion = with_imports_moved(sample["prompt"], verdict["answer"], language)
    return with_imports(prompt, completion) if language == "go" else prompt, completion


class _Distinct:
    """Answers that differ: of one task by themselves, of several together with their tasks."""

    def __init__(self) -> None:
        self._signer = CodeSignature(Path())  # nothing is written
        self._answers: set[tuple[Any, ...]] = set()
        self._owners: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)

    def add(self, task: str, prompt: str, answer: str) -> bool:
        """Whether an answer is a new one; then it is one of those that others must differ from."""
        own = {(task, *place) for place in self._places(answer)}
        whole = self._places(prompt + answer)
        if own & self._answers or any(self._owners[place] - {task} for place in whole):
            return False
        self._answers |= own
        for place in whole:
            self._owners[place].add(task)
        return True

    def _places(self, text: str) -> set[tuple[Any, ...]]:
        """Equal for texts that are equal but for white space; with one in common for near duplicates."""
        shingles = self._signer.get_shingles(text)
        signature = self._signer.get_signature(shingles) if len(shingles) else []
        return {("", " ".join(text.split())), *((number, *bucket) for number, bucket in enumerate(signature))}
