"""MBPP (Austin et al. 2021): short Python problems, each with three assertions; the hub's files or local ones.

The prompt is the task and its tests in a docstring, as the paper shows a model both; zero examples precede it. Only
the test split is read (ids 11 to 510), of which the sanitized form has 257.
"""

import re
from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError
from multipl_judge.problems.hub import hub_file
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.rows import files_of, read_rows, text, text_if_any, texts

STOP = ("\nassert", '\n"""', "\nprint", "\nif __name__", "\n```")
_TEST_IDS = range(11, 511)
_REPOSITORY = "google-research-datasets/mbpp"


def read_mbpp(path: Path | None = None, *, sanitized: bool = False) -> list[Problem]:
    """The problems of the test split.

    Args:
        path: a local file in the original or the sanitized format, which its fields tell apart; None for the hub's.
        sanitized: which of the two to take from the hub, and the name that the problems get.

    Raises:
        ConfigError: nothing there, or no MBPP.
    """
    name = "mbpp-sanitized" if sanitized else "mbpp"
    kind = "sanitized" if sanitized else "full"
    files = files_of(path) if path else [hub_file(_REPOSITORY, f"{kind}/test-00000-of-00001.parquet", name)]
    return [_problem(row, name, where) for where, row in read_rows(files) if _task(row, where) in _TEST_IDS]


def _task(row: dict[str, Any], where: str) -> int:
    task = row.get("task_id")
    if not isinstance(task, int):
        raise ConfigError(f"{where}: task_id {task!r} is not a number; is it a file of this benchmark?")
    return task


def _problem(row: dict[str, Any], benchmark: str, where: str) -> Problem:
    task = text_if_any(row, "prompt", where) or text(row, "text", where)
    tests = texts(row, "test_list", where)
    setup = "\n".join(texts(row, "test_imports", where, may_be_empty=True))
    setup = setup or text_if_any(row, "test_setup_code", where) or ""
    code = text_if_any(row, "code", where)
    return Problem(
        benchmark=benchmark,
        id=str(row["task_id"]),
        language="python",
        prompt='"""\n' + "\n".join([task.strip(), *tests]) + '\n"""\n',
        tests="\n".join(tests) + "\n",
        form="mbpp",
        stop=STOP,
        reference=code.replace("\r\n", "\n") if code else None,
        entry_point=_entry_point(tests, code),
        cluster=f"MBPP/{row['task_id']}",
        extra={"setup": setup},
    )


def _entry_point(tests: list[str], code: str | None) -> str | None:
    """The function that the first test calls: one that the reference defines, or else the outermost call."""
    called = re.findall(r"\b([A-Za-z_]\w*)\s*\(", tests[0])
    defined = re.findall(r"^def\s+(\w+)", code or "", re.MULTILINE)
    return next((name for name in called if name in defined), None if code or not called else called[0])
