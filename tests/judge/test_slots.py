"""Worker slots: each has a user id that no other has at the time."""

import os
import pwd

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.judge import slots
from multipl_moe.judge.slots import Slot

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives user ids away")


@root_only
def test_slots_have_different_users_none_of_them_root():
    one, other = Slot(), Slot()
    assert one.uid != other.uid
    assert 0 not in (one.uid, other.uid)
    one.close()
    other.close()


@root_only
def test_a_slot_is_taken_until_it_is_closed(monkeypatch):
    monkeypatch.setattr(slots, "_FIRST_UID", 58_900)
    monkeypatch.setattr(slots, "_NUM_SLOTS", 1)
    one = Slot()
    with pytest.raises(ConfigError, match="slots"):
        Slot()
    one.close()
    again = Slot()
    assert again.uid == one.uid == 58_900
    again.close()


@root_only
def test_a_user_of_this_machine_is_left_alone(monkeypatch):
    def look_up(uid: int) -> None:
        if uid > 58_901:
            raise KeyError(uid)

    monkeypatch.setattr(slots, "_FIRST_UID", 58_900)
    monkeypatch.setattr(pwd, "getpwuid", look_up)
    slot = Slot()
    assert slot.uid == 58_902
    slot.close()


def test_without_root_commands_run_as_the_caller(monkeypatch):
    monkeypatch.setattr(slots.os, "geteuid", lambda: 1000)
    slot = Slot()
    assert slot.uid is None
    assert slot.become() == []
    slot.close()
