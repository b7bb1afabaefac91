"""A user id for each worker, so that the processes of one are counted and ended apart from the others'."""

import os
import pwd
import socket
from pathlib import Path

from multipl_judge.errors import ConfigError

_FIRST_UID = 57_000
_NUM_UIDS = 1000


class WorkerUid:
    """A user id that no other worker on this machine has while it is open.

    Only root can give user ids away; for everyone else `uid` is None. The kernel counts processes by user id, and
    never against root. Workers are told apart by names in the kernel's table of abstract sockets: such a name vanishes
    with the process that holds it, however that ends. User ids of this machine's own users are left out.
    """

    def __init__(self):
        self.uid: int | None = None
        if os.geteuid() != 0:
            return
        self._claim = socket.socket(socket.AF_UNIX)
        for uid in range(_FIRST_UID, _FIRST_UID + _NUM_UIDS):
            if not _is_somebody(uid) and self._is_free(uid):
                self.uid = uid
                return
        raise ConfigError(f"workers: all {_NUM_UIDS} user ids of workers on this machine are taken; use fewer")

    def _is_free(self, uid: int) -> bool:
        """Claim a user id, unless another worker has it."""
        try:
            self._claim.bind(f"\0multipl-moe-worker-{uid}")
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the user id back."""
        if self.uid is not None:
            self._claim.close()

    def become(self) -> list[str]:
        """The words that, before a command, run it as this user."""
        if self.uid is None:
            return []
        ids = [f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--no-new-privs"]
        return ["setpriv", *ids, "--"]

    def own(self, folder: str | os.PathLike[str]) -> None:
        """Give a folder and all in it to this user, whatever the modes of its files are."""
        if self.uid is None:
            return
        os.chown(folder, self.uid, self.uid)
        for parent, folders, files in os.walk(folder):
            for name in folders + files:
                os.chown(Path(parent) / name, self.uid, self.uid, follow_symlinks=False)


def _is_somebody(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
