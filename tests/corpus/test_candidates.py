"""Folders and git work trees as sources."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from multipl_moe.corpus.candidates import find_files, language_of
from multipl_moe.errors import CorpusError
from multipl_moe.recipe import SourceSection

from .conftest import program, write_files


def paths(kind: str, root: Path, languages: tuple[str, ...] = ("rust",)) -> list[str]:
    with ExitStack() as archives:
        source = SourceSection.model_validate({"kind": kind, "path": root})
        return [candidate.path.split("/", 2)[2] for candidate in find_files(source, languages, archives)]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.rs", "rust"),
        ("a.rs.gz", "rust"),
        ("README", "english"),
        ("README.gz", "english"),
        ("A.PY", "python"),
        ("a.tar.gz", None),
        ("rs", None),
        ("", None),
    ],
)
def test_language_of(name, language):
    assert language_of(name) == language


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


def test_a_folder_that_is_no_work_tree_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"git cannot list it .*not a git repository"):
        paths("git", tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no such folder"):
        paths("folder", tmp_path / "missing")


def test_names_that_are_no_utf8_and_pipes_do_no_harm(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.rs")).write_text(program(1))
    os.mkfifo(tmp_path / "pipe.rs")
    with ExitStack() as archives:
        source = SourceSection.model_validate({"kind": "folder", "path": tmp_path})
        found = {candidate.path.rsplit("/", 1)[1]: candidate for candidate in find_files(source, ["rust"], archives)}
    assert set(found) == {"�.rs", "pipe.rs"}
    with pytest.raises(OSError, match="no regular file"):
        found["pipe.rs"].open()
