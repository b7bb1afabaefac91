"""A new session keyring, so that a program finds no keys of the session that started the judge, and leaves none.

The kernel hands a session keyring on to every process that is started. Where the filter of system calls is in force no
program reaches one; this is for where it is not.
"""

import ctypes

from multipl_judge.judge.system_calls import REFUSED, column

_JOIN_SESSION_KEYRING = 1


def join_new_session_keyring() -> bool:
    """Give this thread, and whatever it starts, an empty session keyring; False where that cannot be had."""
    place = column()
    if place is None:
        return False
    return ctypes.CDLL(None).syscall(REFUSED["keyctl"][place], _JOIN_SESSION_KEYRING, None) > 0
