"""A user id for each worker worker, so that the processes of one are counted and ended apart from the others'."""

import os
import pwd
import socket
from pathlib import Path

from multipl_moe.errors import ConfigError

_FIRST_UID = 57_000
_NUM_UIDS = 1000


class WorkerUid:
    """A user id that no other worker on this machine has while it is open.

    Only root can give user ids away; for everyone else `uid` is None. The kernel counts processes by user id, and
    never against root. They are told apart by names in the kernel's table of abstract sockets: such a name vanishes
    with the process that holds it, however that ends. User ids of this machine's own users are left out.
    """

    def __init__(self):
        self.uid: int | None = None
        if os.geteuid() != 0:
            return
        self._claim = socket.socket(socket.AF_UNIX)
        for uid in range(_FIRST_UID, _FIRST_UID + _NUM_UIDS):
            if _is_somebody(uid):
                continue
            try:
                self._claim.bind(f"\0multipl-moe-worker-{uid}")
            except OSError:
                continue
            self.uid = uid
            return
        raise ConfigError(f"workers: all {_NUM_UIDS} user ids of workers on this machine are taken; use fewer")

    def close(self) -> None:
        """Give the user id back."""
        if self.uid is not None:
            self._claim.close()

    def become(self) -> list[str]:
        """The words that, before a command, run it as the worker's user."""
        if self.uid is None:
            return []
        ids = [f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--no-new-privs"]
        return ["setpriv", *ids, "--"]

    def own(self, folder: str | os.PathLike[str]) -> None:
        """Give a folder and all in it to the worker's user, whatever the modes of its files are."""
        if self.uid is None:
            return
        os.chown(folder, self.uid, self.uid)
        for parent, folders, files in os.walk(folder):
            for name in folders + files:
                os.chown(Path(parent) / name, self.uid, self.uid, follow_symlinks=False)


def _is_somebody(uid: int) -> bool:
    """Whether a user of this machine has that id."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
