"""Judging the samples in an evaluation's folder, resumed where it ended, with results that do not depend on that."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multipl_judge.file_lock import file_lock
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all, key_of
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completion, SampleKey
from multipl_moe.errors import HeldError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.recipe.evaluation import ProgramsSection
from multipl_moe.runs.journal import append_to_journal, read_journal, write_journal

RESULTS_FILE = "results.jsonl"
DETAILS_FILE = "details.jsonl"
_RESULT_NAMES = ("key", "sample", "outcome", "stage")


def judge_samples(
    problems: Sequence[Problem],
    samples: Mapping[SampleKey, Completion],
    folder: Path,
    options: EvalOptions,
    programs: ProgramsSection,
) -> list[dict[str, Any]]:
    """Judge every sample, of these problems, and write results.jsonl into the folder of the evaluation.

    details.jsonl grows as judgements come, so a run that was killed goes on with what it has. results.jsonl holds
    neither times nor output, in the order of `samples`: it is the same however often the run was interrupted. What the
    judge itself failed on is judged again. Of `programs` the number of workers and the limits are used.

    Raises:
        HeldError: another process, or another call, judges in this folder.
        ConfigError: the sandbox cannot be used here.
    """
    by_key, limits = {problem.key: problem for problem in problems}, programs.limits

    def program(key: SampleKey, nonce: Nonce) -> Program:
        return program_of(by_key[key[0]], samples[key].text, nonce)

    with held_journal(folder / DETAILS_FILE):
        digests = {key: key_of(program(key, Nonce(0, 0)), limits) for key in samples}
        done = {
            key: line
            for key, line in read_details(folder).items()
            if line["program"] == digests.get(key) and line["outcome"] != Outcome.harness_error
        }
        waiting: dict[str, list[SampleKey]] = {}
        for key, digest in digests.items():
            if key not in done:
                waiting.setdefault(digest, []).append(key)
        options.on_progress(len(done), len(samples))

        def take(task: Task, judgement: Judgement) -> None:
            verdict = {"program": task.key, **judgement.record()}
            lines = {key: {"key": key[0], "sample": key[1], **verdict} for key in waiting[task.key]}
            append_to_journal(folder / DETAILS_FILE, lines.values(), sync=False)  # what is lost is judged again
            done.update(lines)
            options.on_progress(len(done), len(samples))

        tasks = (Task(digest, lambda key=keys[0]: program(key, Nonce.draw())) for digest, keys in waiting.items())
        judge_all(tasks, on_result=take, workers=programs.workers, limits=limits, **options.ways)
        results = [{name: done[key][name] for name in _RESULT_NAMES} for key in samples]
        write_journal(folder / RESULTS_FILE, results)
    return results


@contextmanager
def held_journal(file: Path) -> Iterator[None]:
    """Keep everyone else from judging into a file; raises HeldError where somebody does."""
    try:
        with file_lock(file, wait=False):
            yield
    except BlockingIOError:
        raise HeldError(f"output: {file.parent} is being judged by another process; wait for it or stop it") from None


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl; none where there is no such file."""
    return read_journal(folder / RESULTS_FILE)


def read_details(folder: Path) -> dict[SampleKey, dict[str, Any]]:
    """The last line of details.jsonl on each sample."""
    return {(line["key"], line["sample"]): line for line in read_journal(folder / DETAILS_FILE)}
