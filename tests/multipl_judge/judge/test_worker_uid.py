"""Workers: each has a user id that no other has at the time."""

import pwd

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge import worker_uid
from multipl_judge.judge.worker_uid import WorkerUid
from tests.multipl_judge.judge.conftest import root_only


@root_only
def test_a_user_id_is_taken_until_it_is_closed_and_never_that_of_root(monkeypatch):
    monkeypatch.setattr(worker_uid, "_FIRST_UID", 58_900)
    monkeypatch.setattr(worker_uid, "_NUM_UIDS", 2)
    one, other = WorkerUid(), WorkerUid()
    assert (one.uid, other.uid) == (58_900, 58_901)
    with pytest.raises(ConfigError, match="user ids"):
        WorkerUid()
    one.close()
    again = WorkerUid()
    assert again.uid == 58_900
    again.close()
    other.close()


@root_only
def test_a_user_of_this_machine_is_left_alone(monkeypatch):
    def look_up(uid: int) -> None:
        if uid > 58_901:
            raise KeyError(uid)

    monkeypatch.setattr(worker_uid, "_FIRST_UID", 58_900)
    monkeypatch.setattr(pwd, "getpwuid", look_up)
    worker = WorkerUid()
    assert worker.uid == 58_902
    worker.close()
