"""The samples of a run on disk: `samples.jsonl`, which only grows, and `codegen.json`, which says how they were made.

A batch is appended in one write and synced, so a run may be killed at any moment: of its last line the part that was
written is cut when the file is opened again.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.errors import OutputError
from multipl_moe.runs.folder import read_json, write_json

SAMPLES_FILE = "samples.jsonl"
ORIGIN_FILE = "codegen.json"

Place = tuple[str, int]
"""Key of the problem and number of the sample."""


@dataclass(frozen=True)
class Origin:
    """How the samples of a folder are made.

    Attributes:
        name: of the model, for people.
        model: its identity, as JSON.
        settings: all that decides the text beside the model.
        problems: a digest of each set and language.
    """

    name: str
    model: dict[str, Any]
    settings: dict[str, Any]
    problems: dict[str, str]


class SamplesFile:
    """`samples.jsonl`, open for appending; a context manager that keeps other runs out.

    Entering it raises OutputError when the folder cannot be written, another run writes the file, its samples were
    made another way, or a line is none of ours.

    Args:
        folder: of the run; created if need be.
        origin: how the samples are made; sets may join those that were recorded, all else must be as it was.
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._folder, self._origin = folder, origin
        self._file = folder / SAMPLES_FILE
        self.samples: dict[Place, Completion] = {}

    def __enter__(self) -> "SamplesFile":
        with _writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            content = self._file.read_bytes()
            with _writing(self._folder):
                _settle_origin(self._folder, self._origin, is_new=not content)
            self._num_bytes = content.rfind(b"\n") + 1
            self._cut()
            self.samples.update(_parse(self._file, content[: self._num_bytes]))
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._cut()
        os.close(self._descriptor)

    def append(self, completions: Iterable[tuple[Place, Completion]]) -> None:
        """Add samples that are not there yet; they are on disk when this returns."""
        new = dict(completions)
        lines = "".join(_line(place, completion) for place, completion in new.items()).encode()
        remaining = memoryview(lines)
        with _writing(self._folder):
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
            os.fsync(self._descriptor)
        self._num_bytes += len(lines)
        self.samples.update(new)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"output: another run is writing {self._file}; wait for its end or choose another folder"
            ) from None

    def _cut(self) -> None:
        """Take away what is not whole: a line that a kill tore, or a batch that Ctrl-C or a full disk did."""
        if os.fstat(self._descriptor).st_size > self._num_bytes:
            os.ftruncate(self._descriptor, self._num_bytes)


def read_samples(folder: Path) -> dict[Place, Completion]:
    """The samples in a folder, in the order of the file, less a torn last line; none where there is no file.

    Raises:
        OutputError: a line is none of ours.
    """
    file = folder / SAMPLES_FILE
    content = file.read_bytes() if file.is_file() else b""
    return _parse(file, content[: content.rfind(b"\n") + 1])


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"output: {folder} cannot be written ({error.strerror}); choose another folder") from error


def _settle_origin(folder: Path, origin: Origin, *, is_new: bool) -> None:
    """Record how samples are made, or make sure that it is still the same way."""
    file = folder / ORIGIN_FILE
    if not file.is_file():
        if not is_new:
            raise OutputError(f"output: {folder} has {SAMPLES_FILE} but no {ORIGIN_FILE}; choose another folder")
        write_json(file, asdict(origin))
        return
    try:
        recorded = Origin(**read_json(file))
    except (ValueError, TypeError):
        raise OutputError(f"output: {file} cannot be read; choose another folder") from None
    differences = _differences(recorded, origin)
    if differences:
        raise OutputError(
            f"output: the samples in {folder} were made with {'; '.join(differences)}; "
            "go on as they were made, or choose another folder"
        )
    problems = recorded.problems | origin.problems
    if problems != recorded.problems:
        write_json(file, asdict(replace(recorded, problems=problems)))


def _differences(recorded: Origin, origin: Origin) -> list[str]:
    """What was recorded and what is now, setting by setting."""
    found = []
    if recorded.model != origin.model:
        now = "which has changed since" if recorded.name == origin.name else f"not {origin.name}"
        found.append(f"the model {recorded.name}, {now}")
    for name in sorted(recorded.settings.keys() | origin.settings.keys()):
        before, after = recorded.settings.get(name), origin.settings.get(name)
        if before != after:
            found.append(f"{name} {before}, not {after}")
    changed = [name for name, digest in origin.problems.items() if recorded.problems.get(name, digest) != digest]
    if changed:
        found.append(f"other problems of {', '.join(changed)}")
    return found


def _line(place: Place, completion: Completion) -> str:
    key, sample = place
    values = {"key": key, "sample": sample, "completion": completion.text, "finish": completion.finish}
    return json.dumps(values, ensure_ascii=False) + "\n"


def _parse(file: Path, content: bytes) -> dict[Place, Completion]:
    samples: dict[Place, Completion] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            values = json.loads(line)
            place = values["key"], values["sample"]
            completion = Completion(values["completion"], Finish(values["finish"]))
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"output: {file}, line {number} is no sample; remove the line, or choose another folder"
            ) from None
        if place in samples:
            raise OutputError(f"output: {file}, line {number} repeats a sample; remove it, or choose another folder")
        samples[place] = completion
    return samples
