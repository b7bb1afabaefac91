"""Outputs are written whole or not at all."""

import errno
import fcntl
import multiprocessing
import os
import stat
import time
from collections import namedtuple
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from multipl_moe.errors import CorpusError, OutputError, TasksUnfinishedError
from multipl_moe.system.staging import (
    held_file,
    held_folder,
    is_unused,
    refuse_existing,
    require_space,
    resumable_folder,
    shutil,
    staged_file,
    staged_folder,
)
from tests.upcycle.conftest import names_in

_ANEW = partial(resumable_folder, can_go_on=lambda staging: False)


def test_the_output_appears_only_when_the_block_is_done(tmp_path):
    folder = tmp_path / "made" / "too"
    with staged_folder(folder / "out") as staging:
        (staging / "file").write_text("whole")
        assert not (folder / "out").exists()
        assert staging.parent == folder  # of the same disk, so that renaming is at once
    assert names_in(folder) == ["out"]
    assert (folder / "out" / "file").read_text() == "whole"


def _refused(held: AbstractContextManager[object], message: str) -> None:
    with pytest.raises(OutputError, match=message), held:
        pytest.fail("entered")


def _write_half(kind, output: Path, error: BaseException) -> None:
    with kind(output) as staging:
        (staging / "deep").mkdir()
        (staging / "deep" / "file").write_text("half")
        raise error


@pytest.mark.parametrize(
    ("kind", "error"),
    [(staged_folder, ValueError()), (staged_folder, KeyboardInterrupt()), (_ANEW, CorpusError("bad"))],
)
def test_a_failure_an_interrupt_or_bad_input_leaves_nothing(tmp_path, kind, error):
    with pytest.raises(type(error)):
        _write_half(kind, tmp_path / "out", error)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("kind", [staged_folder, _ANEW])
def test_what_a_killed_run_left_and_cannot_be_gone_on_with_is_cleared(tmp_path, kind):
    (tmp_path / ".out.partial" / "deep").mkdir(parents=True)
    (tmp_path / ".out.partial" / "stale").touch()
    with kind(tmp_path / "out"):
        pass
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), TasksUnfinishedError()])
def test_a_resumable_folder_stays_when_it_is_stopped_and_is_gone_on_with(tmp_path, error):
    with pytest.raises(type(error)):
        _write_half(_ANEW, tmp_path / "out", error)
    with resumable_folder(tmp_path / "out", lambda staging: (staging / "deep").is_dir()):
        pass
    assert names_in(tmp_path) == ["out"]
    assert (tmp_path / "out" / "deep" / "file").read_text() == "half"


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_an_existing_output_is_refused_untouched(tmp_path, make):
    make(tmp_path / "out")
    with pytest.raises(OutputError, match=r"out exists; choose another"):
        refuse_existing(tmp_path / "out")
    _refused(staged_folder(tmp_path / "out"), "out exists")
    assert names_in(tmp_path) == ["out"]


def test_an_output_that_appears_meanwhile_is_not_replaced(tmp_path):
    def write_late() -> None:
        with staged_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine").touch()

    with pytest.raises(OutputError, match=r"out exists; choose another"):
        write_late()
    assert names_in(tmp_path) == ["out"]
    assert names_in(tmp_path / "out") == ["mine"]


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    _refused(staged_folder(tmp_path / "file" / "out"), r"out cannot be created \(Not a directory\)")


@pytest.mark.parametrize(("free", "fits"), [(999, False), (1000, True)])
def test_space_is_asked_of_the_disk_that_will_hold_the_folder(tmp_path, monkeypatch, free, fits):
    asked = []
    usage = namedtuple("usage", "total used free")

    def disk_usage(path):
        asked.append(path)
        return usage(10**9, 0, free)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    if fits:
        require_space(tmp_path / "not" / "yet", 1000)
    else:
        with pytest.raises(OutputError, match="free some space or choose another disk"):
            require_space(tmp_path / "not" / "yet", 1000)
    assert asked == [tmp_path]


def test_a_folder_that_was_held_and_stays_empty_goes_with_those_made_for_it(tmp_path):
    with held_folder(tmp_path / "a" / "b"):
        assert is_unused(tmp_path / "a" / "b")
        _refused(held_folder(tmp_path / "a" / "b"), "b is being made by another process")
    assert names_in(tmp_path) == []
    with held_folder(tmp_path / "a"):
        (tmp_path / "a" / "file").touch()
        assert not is_unused(tmp_path / "a")
    assert names_in(tmp_path / "a") == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_may_be_read_by_whom_the_umask_lets(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with staged_folder(tmp_path / "out") as staging:
            save_file({"a": torch.zeros(1)}, staging / "model.safetensors")  # for its owner alone
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out" / "model.safetensors").stat().st_mode) == mode


def test_a_file_that_is_linked_to_keeps_its_mode(tmp_path):
    (tmp_path / "base").touch(mode=0o600)
    with staged_folder(tmp_path / "out") as staging:
        (staging / "linked").hardlink_to(tmp_path / "base")
    assert stat.S_IMODE((tmp_path / "base").stat().st_mode) == 0o600


def test_an_output_whose_permissions_cannot_be_set_is_there_all_the_same(tmp_path, monkeypatch):
    asked = []

    def refuse(path, mode):
        asked.append(path.name)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with staged_folder(tmp_path / "out") as staging:
        for name, mode in {"closed": 0o600, "open": 0o644, "other": 0o600}.items():
            (staging / name).touch()
            (staging / name).chmod(mode)
        monkeypatch.setattr(Path, "chmod", refuse)
    assert names_in(tmp_path / "out") == ["closed", "open", "other"]
    assert sorted(asked) == ["closed", "other"]  # only what differs


def _let_locks_fail(monkeypatch, number: int) -> None:
    def fail(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch, number):
    _let_locks_fail(monkeypatch, number)
    with staged_folder(tmp_path / "out") as staging:
        (staging / "file").touch()
        with held_folder(staging):  # nobody is kept out, and the first to leave takes the file of the lock along
            pass
    assert names_in(tmp_path) == ["out"]
    assert names_in(tmp_path / "out") == ["file"]


def test_a_lock_that_fails_for_another_reason_is_told(tmp_path, monkeypatch):
    _let_locks_fail(monkeypatch, errno.EIO)
    _refused(held_file(tmp_path / "page"), "Input/output error")


def test_a_name_is_held_for_one_who_writes_a_file(tmp_path):
    with held_file(tmp_path / "page"):
        _refused(held_file(tmp_path / "page"), "page is being made by another process")
        (tmp_path / "page").touch()
    _refused(held_file(tmp_path / "page"), "page exists")
    assert names_in(tmp_path) == ["page"]


def test_a_staged_file_is_there_whole_or_not_at_all(tmp_path):
    def write(text: str) -> None:
        with staged_file(tmp_path / "page") as partial:
            partial.write_text(text)
            assert not (tmp_path / "page").exists()
            assert text == "whole"

    with pytest.raises(AssertionError, match="half"):
        write("half")
    assert names_in(tmp_path) == []
    write("whole")
    assert names_in(tmp_path) == ["page"]


def _write(kind, outputs, begin, number, told) -> None:
    """Write folders of two files, one late, in a process of its own."""
    for round, output in enumerate(outputs):
        begin.wait()
        try:
            with kind(output) as staging:
                (staging / "first").write_text(str(number))
                time.sleep(0.002 * (number % 3))
                (staging / "second").write_text(str(number))
        except OutputError as error:
            told.put((round, number, str(error)))
        else:
            told.put((round, number, "made"))


@pytest.mark.parametrize("kind", [staged_folder, partial(resumable_folder, can_go_on=lambda staging: True)])
def test_of_processes_that_write_one_output_at_once_one_does_and_the_others_are_told(tmp_path, kind):
    fork, num_processes = multiprocessing.get_context("fork"), 6
    outputs = [tmp_path / str(round) / "out" for round in range(4)]
    begin, told = fork.Barrier(num_processes), fork.Queue()
    arguments = [(kind, outputs, begin, number, told) for number in range(num_processes)]
    processes = [fork.Process(target=_write, args=each, daemon=True) for each in arguments]
    for process in processes:
        process.start()
    everything = [told.get(timeout=60) for _ in range(num_processes * len(outputs))]
    for process in processes:
        process.join()
    for round, output in enumerate(outputs):
        outcomes = {number: outcome for when, number, outcome in everything if when == round}
        assert len(outcomes) == num_processes
        (winner,) = [number for number, outcome in outcomes.items() if outcome == "made"]
        others = {outcome for number, outcome in outcomes.items() if number != winner}
        assert all("is being made by another process" in each or "out exists" in each for each in others), others
        assert names_in(output.parent) == ["out"]
        assert names_in(output) == ["first", "second"]
        assert {(output / name).read_text() for name in names_in(output)} == {str(winner)}
