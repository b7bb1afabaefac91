"""A new session keyring; that programs leave nothing in one is tested with the sandbox."""

from concurrent.futures import ThreadPoolExecutor
from ctypes import CDLL

import pytest

from multipl_judge.judge import keyring
from multipl_judge.judge.system_calls import REFUSED, column

_SESSION_KEYRING = -3


@pytest.mark.skipif(column() is None, reason="no numbers of system calls for this machine")
def test_each_call_gives_the_thread_another_keyring():
    place = column()
    assert place is not None

    def serial() -> int:
        assert keyring.join_new_session_keyring()
        return CDLL(None).syscall(REFUSED["keyctl"][place], 0, _SESSION_KEYRING, 0)

    with ThreadPoolExecutor(1) as thread:
        first, second = thread.submit(serial).result(), thread.submit(serial).result()
    assert first > 0
    assert second > 0
    assert first != second


def test_an_unknown_machine_keeps_its_keyring(monkeypatch):
    monkeypatch.setattr(keyring, "column", lambda: None)
    assert not keyring.join_new_session_keyring()
