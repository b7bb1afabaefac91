"""AutoCodeBench (Tencent 2025): hard problems in 20 languages, told in words, with test code; from local files.

Its rows have no names, so a problem is named after its question: the same in the full set, the light one and in files
of answers.
"""

import hashlib
from pathlib import Path
from typing import Any

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.hub import hub_file
from multipl_judge.problems.language_codes import language_of
from multipl_judge.problems.problem import Problem, commented
from multipl_judge.problems.rows import files_of, read_rows, text, text_if_any

_REPOSITORY = "tencent/AutoCodeBenchmark"
_LANGUAGES = ("python", "java", "cpp", "rust", "go", "ruby")
_STOP = ("\n```",)
_ID_CHARACTERS = 12


def question_id(question: str) -> str:
    """The name of the problem that a question poses."""
    return hashlib.sha256(question.strip().encode(errors="replace")).hexdigest()[:_ID_CHARACTERS]


def read_autocodebench(path: Path | None = None) -> list[Problem]:
    """The problems in languages that the judge knows, of the hub's full set, or of a file or folder in its format.

    Raises:
        ConfigError: nothing there, or another format.
    """
    files = files_of(path) if path else [hub_file(_REPOSITORY, "autocodebench.jsonl", "autocodebench")]
    problems = [_problem(row, where) for where, row in read_rows(files)]
    return [problem for problem in problems if problem is not None]


def _problem(row: dict[str, Any], where: str) -> Problem | None:
    language, question = language_of(text(row, "language", where)), text(row, "question", where)
    if language not in _LANGUAGES:
        return None
    name = question_id(question)
    return Problem(
        benchmark="autocodebench",
        id=name,
        language=language,
        prompt=commented(question, HARNESSES[language].comment) + "\n",
        tests=text(row, "full_test_func", where),
        form="framework",
        stop=_STOP,
        reference=text_if_any(row, "canonical_solution", where),
        cluster=f"autocodebench/{name}",
    )
