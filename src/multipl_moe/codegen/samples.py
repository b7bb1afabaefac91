"""The samples of a run on disk: the journal `samples.jsonl`, and `codegen.json`, which says how they were made."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from multipl_judge.file_lock import file_lock
from multipl_moe.codegen.completer import Completion, SampleKey
from multipl_moe.errors import OutputError
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.runs.journal import append_to_journal, mend_journal, read_journal
from multipl_moe.system.disk_errors import write_errors_explained

SAMPLES_FILE = "samples.jsonl"
ORIGIN_FILE = "codegen.json"


@dataclass(frozen=True)
class Origin:
    """How the samples of a folder are made.

    Attributes:
        name: of the model, for people.
        model: its identity, as JSON.
        settings: what else decides the text.
        problems: a digest of each set and language.
    """

    name: str
    model: dict[str, Any]
    settings: dict[str, Any]
    problems: dict[str, str]

    @property
    def interface(self) -> str:
        """`completions` or `chat`."""
        return self.model.get("interface", "completions")


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
        self._held = ExitStack()
        self.samples: dict[SampleKey, Completion] = {}

    def __enter__(self) -> "SamplesFile":
        with write_errors_explained(self._folder), ExitStack() as stack:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(file_lock(self._file, wait=False))
            except BlockingIOError:
                raise OutputError(
                    f"output: another run is writing {self._file}; wait for its end or choose another folder"
                ) from None
            _settle_origin(self._folder, self._origin, is_new=self._file.stat().st_size == 0)
            mend_journal(self._file)
            self.samples.update(read_samples(self._folder))
            self._held = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        with self._held, write_errors_explained(self._folder):
            mend_journal(self._file)

    def append(self, completions: Iterable[tuple[SampleKey, Completion]]) -> None:
        """Add samples that are not there yet; they are on disk when this returns."""
        new = dict(completions)
        lines = [{"key": key, "sample": sample, **completion.to_json()} for (key, sample), completion in new.items()]
        with write_errors_explained(self._folder):
            append_to_journal(self._file, lines)
        self.samples.update(new)


def read_samples(folder: Path) -> dict[SampleKey, Completion]:
    """The samples in a folder, in the order of the file; none where there is no file.

    Raises:
        OutputError: a line is none of ours, or repeats a sample.
    """
    file = folder / SAMPLES_FILE
    samples: dict[SampleKey, Completion] = {}
    for number, line in enumerate(read_journal(file), start=1):
        try:
            key = line["key"], line["sample"]
            completion, is_repeated = Completion.from_json(line), key in samples
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"output: {file}, line {number} is not a sample; remove the line, or choose another folder"
            ) from None
        if is_repeated:
            raise OutputError(f"output: {file}, line {number} repeats a sample; remove it, or choose another folder")
        samples[key] = completion
    return samples


def _settle_origin(folder: Path, origin: Origin, *, is_new: bool) -> None:
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


def interface_of(folder: Path) -> str | None:
    """Whether the samples of a folder are `completions` or answers of a `chat`; None where a file brought them, or none
    are there."""
    try:
        recorded = Origin(**read_json(folder / ORIGIN_FILE))
    except (OSError, ValueError, TypeError):
        return None
    return None if "file_sha256" in recorded.model else recorded.interface


def _differences(recorded: Origin, origin: Origin) -> list[str]:
    found = []
    if recorded.interface != origin.interface:
        found.append(f"{recorded.interface}, not {origin.interface}")
    elif recorded.model != origin.model:
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
