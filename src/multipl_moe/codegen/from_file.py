"""Completions that were made elsewhere: JSON lines that name a problem and hold one completion or several."""

import difflib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completion, Finish, SampleKey
from multipl_moe.codegen.generation import digests_of, require_distinct
from multipl_moe.codegen.samples import Origin, SamplesFile
from multipl_moe.errors import ConfigError
from multipl_moe.problems.problem import Problem, cut_at_stop

_ID_FIELDS = ("key", "task_id", "name", "id", "problem_id")
_TEXT_FIELDS = ("completion", "completions", "generation", "generations", "solution", "solutions")
_NUM_NAMED = 3


def import_samples(
    problems: Sequence[Problem],
    file: Path,
    folder: Path,
    extract: Callable[[Problem, str], str] | None = None,
    ignored: Sequence[Problem] = (),
) -> dict[SampleKey, Completion]:
    """Take the completions in `file` over into a folder's samples.jsonl.

    A line names its problem by key (benchmark/language/id) or by id, where the id alone could be in several languages
    with "language" beside it. A problem may have several lines; its completions count up as they come. Each is cut at
    the problem's first stop string; one that begins with the whole prompt loses it.

    Args:
        problems: what the completions are for.
        file: JSON lines with a problem (`_ID_FIELDS`) and its text, one or a list (`_TEXT_FIELDS`).
        folder: created if need be.
        extract: for chat answers, `completion_of_answer`: the completion that an answer means.
        ignored: problems of which lines are passed over, such as those of a language that is not scored here.

    Returns:
        The samples, in the order of the problems; as many for each.

    Raises:
        ConfigError: the file cannot be read; lines name no problem or hold no text; problems have no completion, or
            fewer than others.
        OutputError: the folder cannot be written, or its samples were made another way.
    """
    require_distinct(problems)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"completions: {file} cannot be read ({error.strerror})") from None
    texts = _texts_of(problems, ignored, file, content)
    num_samples = _require_all(problems, file, texts)
    samples = {
        (problem.key, sample): _completion(problem, text, extract)
        for problem in problems
        for sample, text in enumerate(texts[problem.key])
    }
    origin = Origin(
        name=str(file),
        model={"file_sha256": hashlib.sha256(content).hexdigest(), "chat": extract is not None},
        settings={"num_samples": num_samples},
        problems=digests_of(problems),
    )
    with SamplesFile(folder, origin) as output:
        output.append((key, sample) for key, sample in samples.items() if key not in output.samples)
    return samples


def _texts_of(
    problems: Sequence[Problem], ignored: Sequence[Problem], file: Path, content: bytes
) -> dict[str, list[str]]:
    """The texts of each problem, by key."""
    names, ignored_names = _names(problems), _names(ignored)
    texts: dict[str, list[str]] = {problem.key: [] for problem in problems}
    unknown: list[str] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"completions: {file}, line {number}"
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ConfigError(f"{where} is no JSON object; give one object a line")
        name = next((str(record[field]) for field in _ID_FIELDS if field in record), None)
        if name is None:
            raise ConfigError(f"{where} names no problem; give it one of {', '.join(_ID_FIELDS)}")
        named = _meant(name, record, names)
        if len(named) > 1:
            raise ConfigError(
                f"{where}: {name} is in several sets or languages; name it as {named[0].key}, or give its language"
            )
        if named:
            texts[named[0].key] += _texts(where, record)
        elif not _meant(name, record, ignored_names):
            unknown.append(name)
    if unknown:
        raise ConfigError(_describe_unknown(file, unknown, list(names)))
    return texts


def _meant(name: str, record: dict[str, Any], names: dict[str, list[Problem]]) -> list[Problem]:
    """The problems that a line may name."""
    return [
        problem
        for problem in names.get(name, [])
        if problem.key == name or record.get("language", problem.language) == problem.language
    ]


def _names(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """The problems that each name may mean: keys and ids."""
    names: dict[str, list[Problem]] = {}
    for problem in problems:
        names.setdefault(problem.id, []).append(problem)
        if problem.key != problem.id:
            names.setdefault(problem.key, []).append(problem)
    return names


def _texts(where: str, record: dict[str, Any]) -> list[str]:
    """The completions of a line, which can be written to files: halves of surrogate pairs are replaced."""
    values = next((record[field] for field in _TEXT_FIELDS if field in record), None)
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{where} holds no text; give it one of {', '.join(_TEXT_FIELDS)}")
    return [value.encode(errors="replace").decode() for value in values]


def _describe_unknown(file: Path, unknown: list[str], known: list[str]) -> str:
    distinct = list(dict.fromkeys(unknown))
    named = []
    for name in distinct[:_NUM_NAMED]:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        named.append(f"{name} (nearest: {near[0]})" if near else name)
    return (
        f"completions: {file} names {len(distinct)} unknown problems: {_listed(named, len(distinct))}; "
        "choose the benchmark and languages that it was made for"
    )


def _require_all(problems: Sequence[Problem], file: Path, texts: dict[str, list[str]]) -> int:
    """The number of samples of every problem; raises ConfigError when it is not the same for all."""
    num_samples = max(1, *(len(texts[problem.key]) for problem in problems))
    short = [problem.key for problem in problems if len(texts[problem.key]) < num_samples]
    if short:
        named = [f"{key} ({len(texts[key])} of {num_samples})" for key in short[:_NUM_NAMED]]
        raise ConfigError(
            f"completions: {file} lacks completions of {len(short)} problems: {_listed(named, len(short))}; "
            "add them, empty ones where the model gave none"
        )
    return num_samples


def _listed(named: list[str], count: int) -> str:
    """The first of so many, and how many more there are."""
    return ", ".join(named) + (f" and {count - len(named)} more" if count > len(named) else "")


def _completion(problem: Problem, text: str, extract: Callable[[Problem, str], str] | None) -> Completion:
    if extract is not None:
        return Completion(extract(problem, text), Finish.end)
    if text.startswith(problem.prompt):
        text = text[len(problem.prompt) :]
    cut = cut_at_stop(text, problem.stop)
    return Completion(cut, Finish.stop if len(cut) < len(text) else Finish.end)
