"""MultiPL-E (Cassano et al. 2023): HumanEval and MBPP translated; from the hub or from local files.

The official stop strings of many languages hold an empty line, which cuts most right answers short (of 159 known bodies
in Ruby 132 pass uncut and 80 cut); it is left out. In the languages that have an entry of their own, and a recipe's, a
completion also ends where its function does, as in the starter set.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError
from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.source_text import function_name
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.hub import hub_file
from multipl_judge.problems.language_codes import language_of
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.rows import files_of, read_rows, text, texts

OLDER = {"cpp": "cpp", "java": "java", "go": "go", "rust": "rs", "ruby": "rb"}
LANGUAGES = OLDER | {name: HARNESSES[name].extension[1:] for name in ENTRIES} | {"elixir": "elixir"}
_REPOSITORY = "nuprl/MultiPL-E"
# What the programs are put together by: in Java of the prompt, else of the tests.
_NEEDED = {"java": r"^class (\w+)", "ruby": r"class (\w+) < Test::Unit::TestCase", "cpp": r"\n"}


def read_multipl_e(
    source: str | None, path: Path | None = None, languages: Collection[str] | None = None
) -> list[Problem]:
    """The problems of one of the two translated benchmarks; those in languages that have no form here are left out.

    Args:
        source: "humaneval" or "mbpp"; None for all problems of a file, which are then a set named after it.
        path: a file, or a folder of files, in MultiPL-E's format; None for the hub's.
        languages: only these; None for all, of the hub's files, of which there is one a language, for the older five.

    Raises:
        ConfigError: nothing there, or no MultiPL-E.
    """
    benchmark = f"multipl-e-{source}"
    if path is None:
        wanted = [language for language in LANGUAGES if language in (OLDER if languages is None else languages)]
        names = [f"{source}-{LANGUAGES[language]}" for language in wanted]
        files = [hub_file(_REPOSITORY, f"{name}/test-00000-of-00001.parquet", benchmark) for name in names]
    else:
        files = files_of(path)
        benchmark = benchmark if source else path.name.removesuffix(".gz").removesuffix(".jsonl")
    problems = [_problem(row, benchmark, where, languages) for where, row in read_rows(files)]
    return [problem for problem in problems if problem and problem.id.lower().startswith(source or "")]


def _problem(row: dict[str, Any], benchmark: str, where: str, languages: Collection[str] | None) -> Problem | None:
    language, name = language_of(text(row, "language", where)), text(row, "name", where)
    # MultiPL-E's Python is HumanEval, which has a form of its own.
    if language is None or language == "python" or not TOOLCHAINS[language].reference.text:
        return None
    if languages is not None and language not in languages:
        return None
    stop = [stop for stop in texts(row, "stop_tokens", where) if stop != "\n\n"]
    if language not in OLDER:
        stop += HARNESSES[language].stop
    prompt, tests = text(row, "prompt", where), text(row, "tests", where)
    if language in _NEEDED and not re.search(_NEEDED[language], prompt if language == "java" else tests, re.MULTILINE):
        raise ConfigError(
            f"{where}: a problem of MultiPL-E in {language} holds `{_NEEDED[language]}`; this one does not"
        )
    cluster = re.match(r"(HumanEval|mbpp)_(\d+)", name) if benchmark.startswith("multipl-e-") else None
    return Problem(
        benchmark=benchmark,
        id=name,
        language=language,
        prompt=prompt,
        tests=tests,
        form="multipl_e",
        stop=tuple(dict.fromkeys(stop)),
        entry_point=function_name(prompt, language),
        cluster=f"{'MBPP' if cluster[1] == 'mbpp' else cluster[1]}/{cluster[2]}" if cluster else name,
    )
