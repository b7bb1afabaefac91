"""Folders and git work trees as sources."""

import gzip
import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.read.candidates import Candidate, find_files
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.corpus.read.sources import SourceReader
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection
from tests.corpus.conftest import program, recipe_of, write_files


def find(kind: str, root: Path, open_until: ExitStack, **keys) -> list[Candidate]:
    source = SourceSection.model_validate({"kind": kind, "path": root, **keys})
    return list(find_files(source, ("rust", "cpp"), LanguageDetector(LANGUAGES), open_until))


def paths(kind: str, root: Path, **keys) -> list[str]:
    with ExitStack() as open_until:
        return [candidate.path.split("/", 2)[2] for candidate in find(kind, root, open_until, **keys)]


def commit(tree: Path, tag: str) -> None:
    """Commit all files of a folder, which becomes a repository."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", tag], ["tag", tag]):
        subprocess.run(["git", "-C", str(tree), *command], check=True)


def test_of_a_work_tree_only_tracked_files_count(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    write_files(tree / "src", ".rs", 2)
    (tree / "näme\n.rs").write_text(program(5), encoding="utf-8")
    (tree / "link.rs").symlink_to("/etc/hostname")
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    subprocess.run(["git", "-C", str(tree), "add", "."], check=True)
    (tree / "untracked.rs").write_text(program(6))
    (tree / "src" / "file_0.rs").unlink()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert sorted(paths("git", tree)) == ["näme\n.rs", "src/file_0.rs", "src/file_1.rs"]


def test_a_folder_that_is_no_work_tree_or_not_there_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"git cannot list it .*not a git repository"):
        paths("git", tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        paths("folder", tmp_path / "missing")


def test_names_that_are_no_utf8_and_pipes_do_no_harm(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.rs")).write_text(program(1))
    os.mkfifo(tmp_path / "pipe.rs")
    with ExitStack() as open_until:
        found = {row.path.rsplit("/", 1)[1]: row for row in find("folder", tmp_path, open_until)}
    assert set(found) == {"�.rs", "pipe.rs"}
    with pytest.raises(OSError, match="no regular file"):
        found["pipe.rs"].open()


@pytest.fixture
def locked(monkeypatch) -> Callable[[Path], None]:
    """Makes folders unreadable; permissions do not stop root, who may run the tests."""
    refused = set()
    scandir = os.scandir

    def scan(path):
        if Path(path) in refused:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    return refused.add


def test_a_folder_that_cannot_be_listed_counts_once_as_unreadable(tmp_path, locked):
    write_files(tmp_path / "open", ".rs", 2)
    write_files(tmp_path / "locked", ".rs", 2, first_seed=5)
    locked(tmp_path / "locked")
    reader = SourceReader(recipe_of({"kind": "folder", "path": str(tmp_path)}).corpus, ["cpp", "rust"], 0)
    assert {document.text for document in reader.run()} == {program(0), program(1)}
    counts = {label: metric.total for label, metric in reader.stats.stats.items() if metric.total}
    assert (counts["dropped/unreadable/cpp"], counts["found/cpp"], counts["found/rust"]) == (1, 1, 2)
    assert "dropped/unreadable/rust" not in counts


def test_a_revision_and_a_bare_repository_are_read_without_what_is_not_committed(tmp_path):
    tree, bare = tmp_path / "tree", tmp_path / "bare.git"
    write_files(tree, ".rs", 2)
    commit(tree, "one")
    (tree / "file_0.rs").write_text(program(50))
    (tree / "later.rs.gz").write_bytes(gzip.compress(program(51).encode()))
    commit(tree, "two")
    (tree / "file_1.rs").write_text("not committed")
    subprocess.run(["git", "clone", "-q", "--bare", str(tree), str(bare)], check=True)
    contents = {}
    for name, root, keys in [
        ("work tree", tree, {}),
        ("first", tree, {"revision": "HEAD~1"}),
        ("bare", bare, {}),
        ("bare, first", bare, {"revision": "one"}),
    ]:
        with ExitStack() as open_until:
            found = find("git", root, open_until, **keys)
            contents[name] = {row.path.rsplit("/", 1)[1]: row.open().read().decode() for row in reversed(found)}
    first = {f"file_{seed}.rs": program(seed) for seed in range(2)}
    assert contents["first"] == contents["bare, first"] == first
    assert contents["bare"] == first | {"file_0.rs": program(50), "later.rs.gz": program(51)}
    assert contents["work tree"] == contents["bare"] | {"file_1.rs": "not committed"}
