"""Answers of models as they are published: JSON lines, lists of lists, a file a problem; packed or not."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_judge.problems.autocodebench import question_id
from multipl_moe.errors import ConfigError

ID_FIELDS = ("key", "task_id", "name", "id", "problem_id")
TEXT_FIELDS = (
    *("completion", "completions", "generation", "generations", "solution", "solutions"),
    *("answer", "answers", "output", "outputs"),
)
_WHOLE_FIELDS = ("solution", "solutions")
_SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Answers:
    """The answers of one model to one problem.

    Attributes:
        where: file and line, for messages.
        name: of the problem, or its number in the benchmark where the file names none.
        language: as the file has it, if it does.
        are_whole: whether they are whole programs, which no stop string ends.
    """

    where: str
    name: str | int
    language: str | None
    texts: list[str]
    are_whole: bool = False


def read_answers(path: Path) -> tuple[list[Answers], str]:
    """The answers in a file, or in a folder with a file a problem, and a digest of all that was read.

    Known are JSON lines and JSON lists of objects with a problem (`ID_FIELDS`) and its text, one or a list
    (`TEXT_FIELDS`), as EvalPlus, HumanEval-X and mxeval write them; a JSON list of lists of texts, in the order of the
    benchmark, as the bigcode harness writes it; and MultiPL-E's objects, whose results hold whole programs.
    AutoCodeBench's have a question instead of a name.

    Raises:
        ConfigError: it cannot be read, or a part of it names no problem or holds no text.
    """
    digest = hashlib.sha256()
    answers: list[Answers] = []
    files = _files(path)
    for file in files:
        try:
            content = file.read_bytes()
            digest.update(content if file == path else file.name.encode() + hashlib.sha256(content).digest())
            content = gzip.decompress(content) if content.startswith(_GZIP) else content
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(f"completions: {file} cannot be read ({why})") from None
        read = _document if file.name.removesuffix(".gz").endswith(".json") else _lines
        answers += read(f"completions: {file}", content)
    if len(files) > 1 and any(isinstance(answer.name, int) for answer in answers):
        raise ConfigError(f"completions: {path} holds a list of lists beside other files; name the one file")
    return answers, digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """The file itself, or those of a folder; of MultiPL-E's pairs the completions, which their results repeat."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES))
    names = {file.name for file in files}
    files = [file for file in files if ".results." not in file.name or file.name.replace(".results.", ".") not in names]
    if not files:
        raise ConfigError(f"completions: {path} holds no file of answers ({', '.join(_SUFFIXES)})")
    return files


def _lines(where: str, content: bytes) -> Iterator[Answers]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            place = f"{where}, line {number}"
            record = _parsed(line)
            if not isinstance(record, dict):
                raise ConfigError(f"{place} is not a JSON object; give one object a line")
            yield _answers(place, record)


def _document(where: str, content: bytes) -> Iterator[Answers]:
    document = _parsed(content)
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not document:
        raise ConfigError(f"{where} is not a JSON list of answers; one object a line goes into a file PATH.jsonl")
    are_lists = all(isinstance(entry, list) for entry in document)
    for number, entry in enumerate(document):
        place = f"{where}, entry {number + 1}"
        if are_lists:
            yield Answers(place, number, None, _texts(place, entry))
        elif isinstance(entry, dict):
            yield _answers(place, entry)
        else:
            raise ConfigError(f"{place} is not a JSON object; give a list of objects, or one of lists of texts")


def _parsed(text: bytes) -> Any:
    """The JSON value; None for what is none, nested too deep among it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _answers(where: str, record: dict[str, Any]) -> Answers:
    name = next((str(record[field]) for field in ID_FIELDS if record.get(field) is not None), None)
    if name is None and isinstance(record.get("question"), str):
        name = question_id(record["question"])
    if name is None:
        raise ConfigError(f"{where} names no problem; give it one of {', '.join(ID_FIELDS)}")
    field = next((field for field in TEXT_FIELDS if field in record), None)
    language = record.get("language")
    texts = _programs(record) if field is None else record[field]
    texts = [texts] if isinstance(texts, str) else texts
    is_named = isinstance(language, str)
    return Answers(where, name, language if is_named else None, _texts(where, texts), field in _WHOLE_FIELDS)


def _programs(record: dict[str, Any]) -> Any:
    """The completions in MultiPL-E's results, whose programs are prompt, completion, a new line and the tests."""
    prompt, tests, results = (record.get(name) for name in ("prompt", "tests", "results"))
    if not (isinstance(prompt, str) and isinstance(tests, str) and isinstance(results, list)):
        return None
    programs = [str(result.get("program")) for result in results if isinstance(result, dict)]
    if len(programs) < len(results) or not all(program.startswith(prompt) for program in programs):
        return None
    return [program[len(prompt) :].removesuffix(tests).removesuffix("\n") for program in programs]


def _texts(where: str, values: Any) -> list[str]:
    """The texts, which can be written to files: halves of surrogate pairs are replaced."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{where} holds no text; give it one of {', '.join(TEXT_FIELDS)}")
    return [value.encode(errors="replace").decode() for value in values]
