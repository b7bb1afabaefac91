"""The project's own set: one source file a problem, cut by two marker lines into prompt, solution and tests.

The set comes with the package, so that an evaluation needs no download. A file `starter/<language>/<name>.<extension>`
reads, with the language's own comment mark:

    prompt: imports, documentation and the signature, up to where the body begins
    // --- solution
    the body, known to be right
    // --- tests
    the tests
"""

import re
from collections.abc import Collection
from pathlib import Path

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES, Harness
from multipl_judge.languages.source_text import function_name
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

    problems, faults = [], []
    for language, harness in HARNESSES.items():
        if languages is not None and language not in languages:
            continue
        for file in sorted((folder / language).glob(f"*{harness.extension}"), key=rank):
            try:
                problems.append(_read(file, language, harness))
            except ValueError as fault:
                faults.append(f"{file}: {fault}")
    if faults:
        raise ConfigError(faults)
    return problems


def _read(file: Path, language: str, harness: Harness) -> Problem:
    comment = harness.comment if isinstance(harness.comment, str) else harness.comment[0]
    prompt, solution, tests = _parts(file.read_text(encoding="utf-8"), comment)
    name = function_name(prompt, language)
    if name is None:
        raise ValueError("the prompt holds no signature of a function; end it with the one that is to be completed")
    reference = cut_at_stop(solution, harness.stop).rstrip()
    if reference.strip() in ("", harness.closing.strip()):
        raise ValueError(f"nothing stands between `{comment} --- solution` and where the function ends")
    return Problem(
        benchmark="starter",
        id=file.stem,
        language=language,
        prompt=prompt,
        tests=tests,
        form="starter",
        stop=harness.stop,
        reference=reference,
        entry_point=name,
        cluster=f"starter/{file.stem}",
    )


def _parts(text: str, comment: str) -> tuple[str, str, str]:
    """Prompt, solution and tests of a file, each with the newline that ends it."""
    parts: list[str] = []
    for name in ("solution", "tests"):
        found = re.split(rf"(?m)^[ \t]*{re.escape(comment)} --- {name}[ \t]*\n", text)
        if len(found) != 2:
            raise ValueError(
                f"{len(found) - 1} lines read `{comment} --- {name}` where one must, the solution before the tests"
            )
        parts.append(found[0])
        text = found[1]
    if not text.strip():
        raise ValueError(f"no tests stand after `{comment} --- tests`")
    return parts[0], parts[1], text
