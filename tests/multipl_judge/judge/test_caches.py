"""Caches: made once, whole or not at all, readable by every worker."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from multipl_judge.judge import caches
from multipl_judge.judge.caches import cache_path, make
from multipl_judge.languages.toolchain import Cache

CACHE = Cache("sample", (("true",),), {"inner/text": "hello"})


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_slowly(log: str, barrier) -> None:
    """Make the cache together with another process; every filling leaves a line in the log."""

    def fill(folder: Path) -> None:
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")
        (folder / "made").write_text("whole")

    barrier.wait()
    folder = cache_path(CACHE, {"version": "1"})
    make(CACHE, folder, fill)
    assert (folder / "made").read_text() == "whole"


def test_two_processes_at_once_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    log = tmp_path / "log"
    processes = [context.Process(target=make_slowly, args=(str(log), barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_failure_leaves_nothing_and_may_be_tried_again(cache_folder):
    folder = cache_path(CACHE, {})

    def fail(staging: Path) -> None:
        (staging / "half").write_text("")
        raise ValueError("no compiler")

    with pytest.raises(ValueError, match="no compiler"):
        make(CACHE, folder, fail)
    assert [path.name for path in (cache_folder / "judge").iterdir() if path.is_dir()] == []
    make(CACHE, folder, lambda staging: None)
    assert (folder / "inner" / "text").read_text() == "hello"


def test_what_a_killed_process_left_is_not_taken_over(cache_folder):
    folder = cache_path(CACHE, {})
    left = folder.with_name(f".{folder.name}.partial")
    left.mkdir(parents=True)
    (left / "half").write_text("")
    make(CACHE, folder, lambda staging: None)
    assert [file.name for file in folder.iterdir()] == ["inner"]
    assert not left.exists()


def test_path_depends_on_commands_files_and_facts():
    others = [
        cache_path(Cache("sample", (("false",),), CACHE.files), {"version": "1"}),
        cache_path(Cache("sample", CACHE.commands, {"inner/text": "bye"}), {"version": "1"}),
        cache_path(CACHE, {"version": "2"}),
    ]
    assert len({cache_path(CACHE, {"version": "1"}), *others}) == 4


def test_everybody_may_read_it_and_only_the_owner_write():
    def fill(staging: Path) -> None:
        for name, mode in (("secret", 0o600), ("tool", 0o700)):
            (staging / name).write_text("")
            (staging / name).chmod(mode)

    folder = cache_path(CACHE, {})
    make(CACHE, folder, fill)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "secret", folder / "tool")}
    assert modes == {folder.name: 0o755, "secret": 0o644, "tool": 0o755}


def test_others_get_a_folder_that_they_can_enter(tmp_path, monkeypatch):
    home, shared = tmp_path / "home", tmp_path / "shared"
    for folder in (home, shared):
        folder.mkdir()
    monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(shared))
    monkeypatch.setattr(caches, "all_may_enter", lambda folder: not folder.is_relative_to(home))
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(home / "cache"))
    assert cache_path(CACHE, {}).is_relative_to(home)
    assert cache_path(CACHE, {}, for_others=True).is_relative_to(shared / f"multipl-moe-{os.geteuid()}")
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "open"))
    assert cache_path(CACHE, {}, for_others=True).is_relative_to(tmp_path / "open")
