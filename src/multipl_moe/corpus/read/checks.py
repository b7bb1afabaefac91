"""All sources looked at before a build: what nothing can be read from is named with its key and the reason."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from multipl_moe.corpus.read.archives import archive_members, archives_of
from multipl_moe.corpus.read.candidates import READ_ERRORS, has_files
from multipl_moe.corpus.read.git import GitRepository
from multipl_moe.corpus.read.row_files import read_jsonl, read_parquet, row_files
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection

_FIRST_OF: dict[str, Callable[[Path], Iterator[Any]]] = {
    "archive": archive_members,
    "jsonl": read_jsonl,
    "answers": read_jsonl,
    "parquet": lambda file: read_parquet(file, frozenset()),
}
_PREFIX = "corpus.sources: "


def require_sources(sources: Sequence[SourceSection], languages: Collection[str]) -> None:
    """Check that every source on this machine has something to read; the hub and toolchains are not asked.

    Of several files of a source one may be broken, but not all. A source's language has to be one of `languages`.

    Raises:
        CorpusError: with what is wrong with each of them.
    """
    problems = []
    for number, source in enumerate(sources):
        if source.language not in (None, *languages):
            remedy = "add it there, or leave the source out"
            problems.append(f"corpus.sources.{number}.language: {source.language} is not in learn or keep; {remedy}")
        if source.kind in ("toolchains", "hub"):
            continue
        try:
            _require_content(source)
        except CorpusError as error:
            problems.append(f"corpus.sources.{number}: {str(error).removeprefix(_PREFIX)}")
    if problems:
        raise CorpusError("; ".join(problems))


def _require_content(source: SourceSection) -> None:
    path = source.path
    assert path is not None
    if source.kind in ("folder", "git"):
        if not path.is_dir():
            raise CorpusError(f"{path}: no such folder; name one of yours")
        if source.kind == "git":
            _require_tracked(path, source.revision)
        elif not has_files(path):
            raise CorpusError(f"{path}: the folder holds no file; name another or leave it out")
        return
    files = archives_of(path) if source.kind == "archive" else row_files(path, source.kind)
    reasons = [reason for file in files if (reason := _unreadable(file, source.kind)) is not None]
    if len(reasons) == len(files):
        raise CorpusError(f"{'; '.join(reasons[:3])}; mend or replace it, or leave it out")


def _require_tracked(path: Path, revision: str | None) -> None:
    repository = GitRepository(path)
    if revision is None and not repository.is_bare:
        found, what = bool(repository.tracked_files()), "the repository"
    else:
        files, what = repository.files_of(revision or "HEAD"), revision or "HEAD"
        found = any(file.startswith(repository.folder) for file, *_ in files)
    if not found:
        raise CorpusError(f"{path}: git tracks no file in {what}; commit some, or read it with kind folder")


def _unreadable(file: Path, kind: str) -> str | None:
    try:
        if next(_FIRST_OF[kind](file), None) is not None:
            return None
        reason = "it is empty"
    except READ_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
    return f"{file} cannot be read as {kind} ({reason})"
