"""What is recorded beside results: above all the commit, and only the project's own."""

import shutil
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from multipl_moe.system import versions


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _commit_told_by_a_copy_in(folder: Path) -> str | None:
    spec = spec_from_file_location("copied", folder / "copied.py")
    assert spec is not None
    assert spec.loader is not None
    copied = module_from_spec(spec)
    spec.loader.exec_module(copied)
    return copied.environment()["commit"]


def test_the_commit_is_that_of_the_repository_that_tracks_the_package(tmp_path: Path):
    shutil.copy(versions.__file__, tmp_path / "copied.py")
    assert _commit_told_by_a_copy_in(tmp_path) is None
    _git(tmp_path, "init")
    _git(tmp_path, "commit", "--allow-empty", "-m", "somebody's own work")
    assert _commit_told_by_a_copy_in(tmp_path) is None
    _git(tmp_path, "add", "copied.py")
    _git(tmp_path, "commit", "-m", "now it is part of it")
    commit = _commit_told_by_a_copy_in(tmp_path)
    assert commit is not None
    assert len(commit) == 12
