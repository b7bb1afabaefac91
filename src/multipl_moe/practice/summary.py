"""What a practice came to: practice.json, and the same as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_moe.practice.journal import PracticeJournal
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.recipe.practice import PracticeSection
from multipl_moe.report.grid import Grid

REPORT_FILE = "practice.json"
_UNBUILT = (Outcome.compile_error, Outcome.compile_timeout)


def summary(
    journal: PracticeJournal,
    maker: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    dropped: Mapping[str, int],
    task_set: TaskSet,
    section: PracticeSection,
    *,
    stopped: bool,
) -> dict[str, Any]:
    """practice.json: rounds with their yield, what is kept, what was dropped, and what to do where too little passes.

    `yield` is that of the answers of this maker, of all its rounds.
    """
    rounds = [_round(journal, line) for line in journal.rounds]
    mine = [told for told, line in zip(rounds, journal.rounds, strict=True) if line["maker"] == maker]
    answers, passed = (sum(told[name] for told in mine) for name in ("answers", "passed"))
    share = passed / max(answers, 1)
    result: dict[str, Any] = {
        "rounds": rounds,
        "answers": answers,
        "passed": passed,
        "yield": share,
        "kept": len(rows),
        "tasks": len(task_set.tasks),
        "tasks_kept": len({row["task"] for row in rows}),
        "dropped": dict(dropped),
        "left_out": task_set.left_out,
        "problems_left_out": task_set.invalid,
        "not_checked": task_set.note,
        "stopped": stopped,
        "too_few": (answers > 0 and share < section.min_yield) or not rows,
    }
    return result | {"advice": _advice(result, section) if stopped or result["too_few"] else None}


def _round(journal: PracticeJournal, line: Mapping[str, Any]) -> dict[str, Any]:
    verdicts = journal.verdicts.items()
    found = {key: told["outcome"] for key, told in verdicts if journal.samples[key]["round"] == line["round"]}
    passed = [key for key, outcome in found.items() if outcome == Outcome.passed]
    return {
        "round": line["round"],
        "sampler": line["sampler"],
        "temperature": line["maker"]["settings"]["temperature"],
        **line["maker"]["help"],
        "tasks": len({task for task, _, _ in found}),
        "tasks_passed": len({task for task, _, _ in passed}),
        "answers": len(found),
        "passed": len(passed),
        "repaired": sum(repair > 0 for _, _, repair in passed),
        "yield": len(passed) / max(len(found), 1),
        "outcomes": dict(sorted(Counter(found.values()).items())),
    }


def _advice(result: Mapping[str, Any], section: PracticeSection) -> str:
    if not result["too_few"]:
        return "the tasks that are left are too hard for this sampler: learn what is kept, then practise anew"
    built = sum(sum(told["outcomes"].get(outcome, 0) for outcome in _UNBUILT) for told in result["rounds"])
    more = "more source" if section.source_tokens else "source"
    source = f"let the model learn {more} text of the language first (practice.source_tokens of `demo`)"
    if built * 2 > sum(told["answers"] for told in result["rounds"]):
        source += " (most answers do not even compile)"
    ways = [source, "take easier tasks"]
    if result["passed"] and not section.examples:
        ways.append("put worked examples above the tasks (practice.examples)")
    ways.append("or let a teacher, a larger model, sample (practice.model, practice.endpoint)")
    return "; ".join(ways)


def practice_table(result: Mapping[str, Any]) -> Grid:
    """The rounds, and in notes what was kept."""
    rows = []
    for told in result["rounds"]:
        built = 1 - sum(told["outcomes"].get(outcome, 0) for outcome in _UNBUILT) / max(told["answers"], 1)
        counts = f"{told['answers']:,}", f"{told['passed']:,}", f"{told['yield']:.1%}", f"{built:.1%}"
        rows.append([f"{told['round']}", told["sampler"], *counts, f"{told['tasks_passed']:,} of {told['tasks']:,}"])
    listed = {"dropped": "passed and not kept", "left_out": "tasks left out"}
    notes = [f"{result['kept']:,} answers kept, to {result['tasks_kept']:,} tasks"]
    if not result["answers"]:
        notes.append("nothing was asked: every task has passed often enough (practice.keep_per_task)")
    for name, title in listed.items():
        if result[name]:
            notes.append(f"{title}: " + ", ".join(f"{reason} {count:,}" for reason, count in result[name].items()))
    header = ["round", "sampler", "answers", "pass", "yield", "parse or\ncompile", "tasks passed\nat least once"]
    return Grid("Practice", header, rows, num_labels=2, notes=notes)
