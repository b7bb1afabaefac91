"""Judging the samples in an evaluation's folder, resumed where it ended, with results that do not depend on that."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completion
from multipl_moe.codegen.samples import Place
from multipl_moe.judge.outcome import Judgement, Outcome
from multipl_moe.judge.scoring import Task, judge_all
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.problem import Problem
from multipl_moe.runs.folder import write_text

RESULTS_FILE = "results.jsonl"
DETAILS_FILE = "details.jsonl"
_NO_NONCE = Nonce(0, 0)
_RESULT_KEYS = ("key", "sample", "outcome", "stage")


def judge_samples(
    problems: Sequence[Problem],
    samples: Mapping[Place, Completion],
    folder: Path,
    *,
    workers: int | None = None,
    unsafe: bool = False,
    toolbox: Toolbox | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Judge every sample and write results.jsonl.

    details.jsonl grows as judgements come, so a run that was killed goes on with what it has. results.jsonl holds
    neither times nor output, in the order of `samples`: it is the same however often the run was interrupted. What the
    judge itself failed on is judged again.

    Args:
        problems: of all samples.
        samples: by problem and number.
        folder: of the evaluation.
        workers, unsafe, toolbox: as in `judge_all`.
        on_progress: called with the number of samples judged and their total.

    Raises:
        ConfigError: the sandbox cannot be used here.
    """
    by_key = {problem.key: problem for problem in problems}
    digests = {place: _digest(by_key[place[0]], sample.text) for place, sample in samples.items()}
    done = {
        place: line
        for place, line in read_details(folder).items()
        if line["program"] == digests.get(place) and line["outcome"] != Outcome.harness_error
    }
    waiting: dict[str, list[Place]] = {}
    for place, digest in digests.items():
        if place not in done:
            waiting.setdefault(digest, []).append(place)
    on_progress(len(done), len(samples))
    with (folder / DETAILS_FILE).open("a", encoding="utf-8") as file:

        def take(task: Task, judgement: Judgement) -> None:
            for place in waiting[task.key]:
                done[place] = _detail(place, task.key, judgement)
                file.write(json.dumps(done[place]) + "\n")
            file.flush()
            on_progress(len(done), len(samples))

        judge_all(_tasks(waiting, by_key, samples), on_result=take, workers=workers, unsafe=unsafe, toolbox=toolbox)
    results = [{key: done[place][key] for key in _RESULT_KEYS} for place in samples]
    write_text(folder / RESULTS_FILE, "".join(json.dumps(line) + "\n" for line in results))
    return results


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl."""
    text = (folder / RESULTS_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read_details(folder: Path) -> dict[Place, dict[str, Any]]:
    """The last line of details.jsonl on each sample; what a kill tore off at its end is cut away."""
    file = folder / DETAILS_FILE
    if not file.is_file():
        return {}
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with file.open("r+b") as torn:
            torn.truncate(len(whole))
    lines = [json.loads(line) for line in whole.splitlines()]
    return {(line["key"], line["sample"]): line for line in lines}


def _tasks(
    waiting: Mapping[str, list[Place]], problems: Mapping[str, Problem], samples: Mapping[Place, Completion]
) -> Iterator[Task]:
    """One task for all samples that make the same program."""
    for digest, places in waiting.items():
        problem, text = problems[places[0][0]], samples[places[0]].text
        yield Task(digest, lambda problem=problem, text=text: program_of(problem, text, Nonce.draw()))


def _digest(problem: Problem, completion: str) -> str:
    """Equal for samples that make the same program, but for the nonce."""
    program = program_of(problem, completion, _NO_NONCE)
    parts = [program.language, program.source, *program.options, "", *program.wants]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _detail(place: Place, digest: str, judgement: Judgement) -> dict[str, Any]:
    key, sample = place
    return {
        "key": key,
        "sample": sample,
        "program": digest,
        "outcome": str(judgement.outcome),
        "stage": judgement.stage,
        "output": judgement.output,
        "compile_s": round(judgement.compile_s, 3),
        "run_s": round(judgement.run_s, 3),
        "peak_bytes": judgement.peak_bytes,
    }
