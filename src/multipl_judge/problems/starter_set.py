"""The project's own set: one source file a problem, cut by a marker line into prompt and solution.

The set comes with the package, so that an evaluation needs no download. A file `starter/<language>/<name>.<extension>`
reads, with the language's own comment mark:

    prompt: imports, documentation and the signature, up to where the body begins
    // --- solution
    the body, known to be right

`starter/cases.json` has the arguments and answers of each problem, the same for all languages.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES, Harness
from multipl_judge.languages.source_text import function_name
from multipl_judge.problems.forms.calling import called_cases, calls_of
from multipl_judge.problems.problem import Problem, cut_at_stop

_FOLDER = Path(__file__).parent / "starter"


def read_starter(languages: Collection[str] | None = None, folder: Path = _FOLDER) -> list[Problem]:
    """The problems of the starter set, language by language, from trivial ones to hard ones.

    starter/order.txt says so; those that it does not name come last.

    Args:
        languages: only these; all if None.
        folder: where the languages' folders are.

    Raises:
        ConfigError: files that are not in the form above, all of them in one message.
    """
    order = folder / "order.txt"
    names = order.read_text(encoding="utf-8").split() if order.is_file() else []

    def rank(file: Path) -> tuple[int, str]:
        return (names.index(file.stem) if file.stem in names else len(names), file.stem)

    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    problems, faults = [], []
    for language, harness in HARNESSES.items():
        if languages is not None and language not in languages:
            continue
        for file in sorted((folder / language).glob(f"*{harness.extension}"), key=rank):
            try:
                problems.append(_read(file, language, harness, cases.get(file.stem, [])))
            except ValueError as fault:
                faults.append(f"{file}: {fault}")
    if faults:
        raise ConfigError(faults)
    return problems


def _read(file: Path, language: str, harness: Harness, cases: list[tuple[list[Any], Any]]) -> Problem:
    comment = harness.comment if isinstance(harness.comment, str) else harness.comment[0]
    marker = rf"(?m)^[ \t]*{re.escape(comment)} --- solution[ \t]*\n"
    prompt, *solution = re.split(marker, file.read_text(encoding="utf-8"))
    if len(solution) != 1:
        raise ValueError(f"{len(solution)} lines read `{comment} --- solution` where one must")
    if not cases:
        raise ValueError(f"cases.json has no cases of {file.stem}")
    name = function_name(prompt, language)
    if name is None:
        raise ValueError("the prompt holds no signature of a function; end it with the one that is to be completed")
    reference = cut_at_stop(solution[0], harness.stop).rstrip()
    if reference.strip() in ("", harness.closing.strip()):
        raise ValueError(f"nothing stands between `{comment} --- solution` and where the function ends")
    problem = Problem(
        benchmark="starter",
        id=file.stem,
        language=language,
        prompt=prompt,
        tests=called_cases(cases),
        form="calls",
        stop=harness.stop,
        reference=reference,
        entry_point=name,
        cluster=f"starter/{file.stem}",
    )
    calls_of(problem)
    return problem
