"""Folders and git work trees as sources, and folders of installed packages."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from multipl_moe.corpus.read.candidates import installed_folders
from multipl_moe.errors import CorpusError
from tests.corpus.conftest import program, write_files
from tests.corpus.read.finding import find, read


def contents(kind: str, root: Path, **keys) -> dict[str, str]:
    """What can be read of the files found, by path."""
    found = find(kind, root, "rust", "cpp", **keys)
    return {file.path.split("/", 2)[2]: file.text for file in found if file.text is not None}


def commit(tree: Path, tag: str) -> None:
    """Commit all files of a folder, which becomes a repository."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", tag], ["tag", tag]):
        subprocess.run(["git", "-C", str(tree), *command], check=True)


def test_of_a_work_tree_only_tracked_files_that_are_there_count(tmp_path, monkeypatch):
    with pytest.raises(CorpusError, match=r"git cannot list it .*not a git repository"):
        contents("git", tmp_path)
    tree = tmp_path / "tree"
    write_files(tree / "src", ".rs", 3)
    (tree / "näme\n.rs").write_text(program(5), encoding="utf-8")
    (tree / "link.rs").symlink_to("/etc/hostname")
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    subprocess.run(["git", "-C", str(tree), "add", "."], check=True)
    (tree / "untracked.rs").write_text(program(6))
    (tree / "src" / "file_0.rs").write_text(program(7))
    (tree / "src" / "file_2.rs").unlink()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    found = contents("git", tree)
    assert found == {"näme\n.rs": program(5), "src/file_0.rs": program(7), "src/file_1.rs": program(1)}


def test_names_that_are_no_utf8_and_pipes_do_no_harm(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.rs")).write_text(program(1))
    os.mkfifo(tmp_path / "pipe.rs")
    write_files(tmp_path, ".rs", 1)
    assert contents("folder", tmp_path) == {"�.rs": program(1), "file_0.rs": program(0)}


def test_a_folder_that_cannot_be_listed_counts_once_as_unreadable(tmp_path, monkeypatch):
    write_files(tmp_path / "open", ".rs", 2)
    write_files(tmp_path / "locked", ".rs", 2, first_seed=5)
    scandir = os.scandir

    def scan(path):  # permissions do not stop root, who may run the tests
        if Path(path) == tmp_path / "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    documents, counts = read({"kind": "folder", "path": str(tmp_path)}, languages=("cpp", "rust"))
    assert {document.text for document in documents} == {program(0), program(1)}
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
    first = {f"file_{seed}.rs": program(seed) for seed in range(2)}
    assert contents("git", tree, revision="HEAD~1") == contents("git", bare, revision="one") == first
    committed = first | {"file_0.rs": program(50), "later.rs.gz": program(51)}
    assert contents("git", bare) == committed
    assert contents("git", tree) == committed | {"file_1.rs": "not committed"}


def _package(lists: Path, name: str, folder: str, number: int, ending: str = ".mine") -> None:
    lines = [folder, *(f"{folder}/{index % 3}/{index}{ending}" for index in range(number))]
    (lists / f"{name}.list").write_text("\n".join(lines) + "\n")


def test_folders_with_most_files_come_first_and_none_lies_in_another(tmp_path: Path):
    for name, folder, number in [
        ("few", "/usr/share/few", 19),
        ("some", "/usr/share/some", 20),
        ("many", "/usr/lib/many", 60),
        ("inside", "/usr/lib/many/inside", 90),
        ("documents", "/usr/share/doc/mine", 70),
        ("wide", "/usr/share", 80),
        ("more", "/opt/more", 40),
        ("last", "/opt/last", 30),
    ]:
        _package(tmp_path, name, folder, number)
    _package(tmp_path, "other", "/usr/share/other", 99, ".other")
    assert installed_folders([".mine", ".mn"], tmp_path) == ["/usr/lib/many", "/opt/more", "/opt/last"]
    assert installed_folders([".none"], tmp_path) == []
    assert installed_folders([".mine"], tmp_path / "nowhere") == []
