"""HumanEval-X (Zheng et al. 2023): HumanEval written by hand in C++, Java, Go and Rust, and Python; with solutions."""

from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.source_text import BRACES, function_name
from multipl_judge.problems.hub import hub_file
from multipl_judge.problems.human_eval import STOP
from multipl_judge.problems.problem import Problem, cut_at_stop
from multipl_judge.problems.rows import files_of, read_rows, text

_REPOSITORY = "zai-org/humaneval-x"
_OF_PREFIX = {"Python": "python", "CPP": "cpp", "Java": "java", "Go": "go", "Rust": "rust"}
_EXTRA = {"go": ("import", "test_setup")}
# Where the solution needs more than one function, or writes the body at the left margin.
_LONG_STOP = {
    "cpp": ("\nint main", "\n#undef"),
    "java": ("\npublic class Main", "\nclass Main"),
    "go": ("\nfunc main(", "\nfunc Test"),
    "rust": ("\nfn main(", "\n#[cfg(test)]"),
}


def read_humaneval_x(path: Path | None = None) -> list[Problem]:
    """The problems of all languages, or of a file or folder in the benchmark's format.

    Raises:
        ConfigError: nothing there, or no HumanEval-X.
    """
    names = [f"data/{language}/data/humaneval.jsonl" for language in _OF_PREFIX.values()]
    files = files_of(path) if path else [hub_file(_REPOSITORY, name, "humaneval-x") for name in names]
    problems = [_problem(row, where) for where, row in read_rows(files)]
    return [problem for problem in problems if problem is not None]


def _problem(row: dict[str, Any], where: str) -> Problem | None:
    task = text(row, "task_id", where)
    prefix, _, number = task.partition("/")
    if prefix == "JavaScript":  # which has no form here
        return None
    if prefix not in _OF_PREFIX:
        raise ConfigError(f"{where}: no form for '{task}'; known are {', '.join(_OF_PREFIX)}")
    language = _OF_PREFIX[prefix]
    prompt, reference = text(row, "prompt", where), text(row, "canonical_solution", where)
    if language == "rust":
        prompt = text(row, "declaration", where) + prompt
    return Problem(
        benchmark="humaneval-x",
        id=task,
        language=language,
        prompt=prompt,
        tests=text(row, "test", where),
        form="humaneval_x",
        stop=_stop(language, reference),
        reference=reference,
        entry_point=function_name(prompt, language),
        cluster=f"HumanEval/{number}",
        extra={name: text(row, name, where) for name in _EXTRA.get(language, ())},
    )


def _stop(language: str, reference: str) -> tuple[str, ...]:
    """The end of the function; not where that would cut off a part of the reference."""
    if language not in BRACES:
        return STOP
    rest = reference[len(cut_at_stop(reference, HARNESSES[language].stop)) :]
    return _LONG_STOP[language] if rest.strip(" \n}") else HARNESSES[language].stop
