"""Problems whose tests are no program of their language, which no completion passes: found before a model is asked.

Translated benchmarks have some. They bring no reference, so their tests are tried with a body that only fails: what
does not compile with it compiles with nothing. In the older languages all of MultiPL-E's tests are known to compile.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import failing_body, program_of
from multipl_judge.problems.multipl_e import OLDER
from multipl_judge.problems.problem import Problem
from multipl_moe.runs.journal import append_to_journal, read_journal

_FILE = "valid_tests.jsonl"
_SHOWN_CHARACTERS = 200
_KEY_CHARACTERS = 16
_ERROR = re.compile(r"(?im)^.*\b(?:error|compile|expected|unexpected)\b.*$")


def invalid_tests(
    problems: Sequence[Problem],
    versions: Mapping[str, str],
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    **ways: Any,
) -> dict[str, str]:
    """Keys of the problems whose tests do not compile, and what the toolchain says.

    A toolchain that says so once is not asked again: what it said is kept in the folder for caches. All problems are in
    languages that can be judged here, whose toolchains have these `versions`; `ways` are those of `judge_all`.
    """
    by_digest = {_digest(one, versions[one.language]): one for one in problems if may_be_invalid(one)}
    if not by_digest:
        return {}
    file = cache_folder() / "judge" / _FILE
    with cache_lock(file):
        known = {line["tests"]: line["said"] for line in read_journal(file)}

        def take(task: Task, judgement: Judgement) -> None:
            if judgement.outcome != Outcome.harness_error:
                known[task.key] = _said(judgement) if judgement.outcome == Outcome.compile_error else None
                append_to_journal(file, [{"tests": task.key, "said": known[task.key]}], sync=False)
            on_progress(len(by_digest.keys() & known.keys()), len(by_digest))

        tasks = [
            Task(digest, lambda problem=problem: program_of(problem, failing_body(problem), Nonce.draw()))
            for digest, problem in by_digest.items()
            if digest not in known
        ]
        judge_all(tasks, on_result=take, **ways)
    return {problem.key: said for digest, problem in by_digest.items() if (said := known.get(digest)) is not None}


def may_be_invalid(problem: Problem) -> bool:
    """Whether nobody knows that the tests of a problem compile."""
    return problem.form == "multipl_e" and problem.language not in OLDER


def _digest(problem: Problem, version: str) -> str:
    program = program_of(problem, failing_body(problem), Nonce(0, 0))
    parts = [problem.key, program.source, *program.options, version]
    return sha256(json.dumps(parts).encode()).hexdigest()[:_KEY_CHARACTERS]


def _said(judgement: Judgement) -> str:
    found = _ERROR.search(judgement.output)
    return " ".join((found[0] if found else judgement.output).split())[:_SHOWN_CHARACTERS]
