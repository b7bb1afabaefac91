"""Exercism: the exercises of a track, from a copy of its repository (github.com/exercism/LANGUAGE, MIT).

An exercise is a folder with `.meta/config.json`, which names its files: those to write (`solution`), the tests
(`test`), what belongs to both (`editor`), and a solution that is known to be right (`example` or `exemplar`).
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.forms.framework import has_framework
from multipl_judge.problems.language_codes import language_of
from multipl_judge.problems.problem import Problem, commented
from multipl_judge.problems.rows import texts

_CONFIG = ".meta/config.json"
_STOP = ("\n```",)
_DOCS = ("introduction.md", "instructions.md", "instructions.append.md")


def read_exercism(path: Path | None, languages: Collection[str] | None = None) -> list[Problem]:
    """The exercises below a folder: of a track, of its `exercises`, or one exercise alone; in all languages if None.

    Raises:
        ConfigError: there is no exercise, none in a language that can be judged, or a file is missing or broken.
    """
    if path is None:
        raise ConfigError(
            "exercism: a track has to be named, as exercism:PATH (git clone github.com/exercism/LANGUAGE)"
        )
    configs = sorted(path.glob(_CONFIG)) or sorted(path.glob(f"**/{_CONFIG}"))
    if not configs:
        raise ConfigError(f"exercism: {path} holds no exercise, a folder with {_CONFIG}; give a track's folder")
    found = [_problem(config.parent.parent, config, languages) for config in configs]
    problems = [problem for problem in found if problem is not None]
    if not problems and languages is None:
        known = ", ".join(filter(has_framework, HARNESSES))
        raise ConfigError(
            f"exercism: {path} holds no exercise in a language whose tests can be judged ({known}); for one of your "
            "own give own_languages.NAME.toolchain.test and test_passed"
        )
    return problems


def _problem(folder: Path, config: Path, languages: Collection[str] | None) -> Problem | None:
    names = _names(config)
    solution = names["solution"]
    language = next((key for name in solution if (key := language_of(Path(name).suffix))), None)
    if language is None or not has_framework(language) or (languages is not None and language not in languages):
        return None
    extension = Path(next(name for name in solution if language_of(Path(name).suffix) == language)).suffix
    is_own = language not in LANGUAGES
    endings = (extension, ".h", ".hpp") if language == "cpp" else ("" if is_own else extension,)
    kept = {kind: [name for name in found if name.endswith(endings)] for kind, found in names.items()}
    tests = _joined(folder, [*kept["editor"], *kept["test"]])
    if not tests.strip():
        raise ConfigError(f"exercism: {config} names no file with tests in {language}; leave the exercise out")
    begun = "\n\n".join(
        f"{name} begins as:\n\n{text.strip()}" for name in kept["solution"] if (text := _joined(folder, [name])).strip()
    )
    task = "\n\n".join(_read(folder / ".docs" / name) for name in _DOCS if (folder / ".docs" / name).is_file())
    examples = kept["example"] or kept["exemplar"]
    comment = HARNESSES[language].comment
    return Problem(
        benchmark="exercism",
        id=folder.name,
        language=language,
        prompt=commented(f"{folder.name}\n\n{task}\n\n{begun}", comment) + "\n",
        tests=tests,
        form="framework",
        stop=_STOP,
        reference=_joined(folder, examples) if examples else None,
        cluster=f"exercism/{folder.name}",
        extra=_own_files(folder, kept) if is_own else {"module": _module(language, kept["solution"], folder.name)},
    )


def _own_files(folder: Path, names: dict[str, list[str]]) -> dict[str, str]:
    """What a test command finds beside the solution, and where that belongs."""
    solution, *stubs = names["solution"]
    others = [*stubs, *names["editor"], *names["test"]]
    return {"solution": solution, "files": json.dumps({name: _read(folder / name) for name in others})}


def _module(language: str, solution: list[str], slug: str) -> str:
    """The name by which tests know the solution: of its file in Python, of the exercise in Rust."""
    return re.sub(r"\W", "_", Path(solution[0]).stem if language == "python" else slug)


def _names(config: Path) -> dict[str, list[str]]:
    """The files of an exercise by kind; headers go before what includes them."""
    try:
        values: Any = json.loads(_read(config))
    except (ValueError, RecursionError) as fault:
        raise ConfigError(f"exercism: {config} is not JSON: {fault}") from fault
    files = values.get("files") if isinstance(values, dict) else None
    if not isinstance(files, dict):
        raise ConfigError(f"exercism: {config} names no files; give it 'files' with 'solution' and 'test'")
    kinds = ("solution", "test", "editor", "example", "exemplar")
    found = {kind: texts(files, kind, f"exercism: {config}", may_be_empty=kind != "solution") for kind in kinds}
    if outside := [name for names in found.values() for name in names if Path(name).is_absolute() or ".." in name]:
        raise ConfigError(f"exercism: {config} names {outside[0]}, which is no path below the exercise")
    return {kind: sorted(names, key=lambda name: not name.endswith((".h", ".hpp"))) for kind, names in found.items()}


def _joined(folder: Path, names: list[str]) -> str:
    return "\n".join(_read(folder / name).rstrip() + "\n" for name in names)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"exercism: {file} cannot be read ({fault})") from fault
