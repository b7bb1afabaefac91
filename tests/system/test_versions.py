"""What is recorded beside results: above all the commit, and only the project's own."""

import shutil
import subprocess
import sys
from pathlib import Path

from multipl_moe.system import versions

_ASK = "import sys; sys.path.insert(0, sys.argv[1]); import copied; print(copied.environment()['commit'])"


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _commit_told_by_a_copy_in(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", _ASK, str(folder)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_repository_that_tracks_the_package(tmp_path: Path):
    shutil.copy(versions.__file__, tmp_path / "copied.py")
    _git(tmp_path, "init")
    _git(tmp_path, "commit", "--allow-empty", "-m", "somebody's own work")
    assert _commit_told_by_a_copy_in(tmp_path) == "None"
    _git(tmp_path, "add", "copied.py")
    _git(tmp_path, "commit", "-m", "now it is part of it")
    assert len(_commit_told_by_a_copy_in(tmp_path)) == 12


def test_without_a_repository_no_commit_is_told(tmp_path: Path):
    shutil.copy(versions.__file__, tmp_path / "copied.py")
    assert _commit_told_by_a_copy_in(tmp_path) == "None"
