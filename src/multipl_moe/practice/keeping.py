"""Which answers that passed are kept: each different from the others, and none that holds a benchmark's problem."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.duplicates.minhash import CodeSignature
from multipl_moe.practice.journal import PracticeJournal


def kept_rows(
    journal: PracticeJournal, keep_per_task: int, index: BenchmarkIndex
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
        if kept[task] >= keep_per_task:
            dropped["more of a task"] += 1
        elif index.find(sample["prompt"] + answer, language, is_code=is_code):
            dropped["contaminated"] += 1
        elif not distinct.add(task, sample["prompt"], answer):
            dropped["duplicate"] += 1
        else:
            kept[task] += 1
            made = rounds[sample["round"]]
            rows.append(
                {"language": language, "prompt": sample["prompt"], "completion": answer, "task": task}
                | {"sampler": made["sampler"], "temperature": made["maker"]["settings"]["temperature"]}
                | {name: sample[name] for name in ("seed", "sample", "repair", "round")}
                | {"verdict": verdict["outcome"]}
            )
    return rows, dict(dropped)


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
