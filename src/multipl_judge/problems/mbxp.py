"""MBXP (Athiwaratkun et al. 2023): MBPP in other languages, in the format of `mxeval`; local files or the hub's.

Its sister set of HumanEval has the same format.
"""

from pathlib import Path
from typing import Any

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.hub import hub_file
from multipl_judge.problems.human_eval import STOP
from multipl_judge.problems.problem import Problem, cut_at_stop
from multipl_judge.problems.rows import files_of, read_rows, text, text_if_any

_REPOSITORY = "mxeval/mbxp"
_FILES = (
    "data/mbxp/mbpp_release_v1.jsonl",
    "data/mbxp/mbjp_release_v1.jsonl",
    "data/mbxp/mbcpp_release_v1.jsonl",
    "data/mbxp/mbgp_release_v1.1.jsonl",
    "data/mbxp/mbrbp_release_v1.jsonl",
)
_LANGUAGES = ("python", "java", "cpp", "go", "ruby")


def read_mbxp(path: Path | None = None) -> list[Problem]:
    """The problems of all languages that the judge knows, or of a file or folder in mxeval's format.

    Raises:
        ConfigError: nothing there, or another format.
    """
    files = files_of(path) if path else [hub_file(_REPOSITORY, name, "mbxp") for name in _FILES]
    problems = [_problem(row, where) for where, row in read_rows(files)]
    return [problem for problem in problems if problem is not None]


def _problem(row: dict[str, Any], where: str) -> Problem | None:
    task, language = text(row, "task_id", where), text(row, "language", where)
    if language not in _LANGUAGES:
        return None
    stop = STOP if language == "python" else HARNESSES[language].stop
    reference = text_if_any(row, "canonical_solution", where)
    if reference is not None and language == "ruby":
        reference = cut_at_stop(reference, stop)
    return Problem(
        benchmark="mbxp",
        id=task,
        language=language,
        prompt=text(row, "prompt", where),
        tests=text(row, "test", where),
        form="mbxp",
        stop=stop,
        reference=reference,
        entry_point=text(row, "entry_point", where),
        cluster=f"{'HumanEval' if task.startswith('HumanEval') else 'MBPP'}/{task.rsplit('/', 1)[-1]}",
    )
