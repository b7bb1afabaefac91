"""Paths that the sandbox's user could not reach are bound for it alone; without bubblewrap nothing is run unasked."""

import subprocess
from pathlib import Path

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge import sandbox as sandbox_module
from multipl_judge.judge.bubblewrap import BindMounts, all_may_enter
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.system_calls import column
from tests.multipl_judge.judge.conftest import SHORT, python, root_only


def test_a_path_that_all_can_reach_is_not_mounted(tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    assert not all_may_enter(tmp_path / "home" / "file")
    assert not all_may_enter(tmp_path / "home" / "not" / "there")
    assert all_may_enter(Path("/usr/share/not/there"))
    with BindMounts(other_user=True) as mounts:
        assert mounts.reach(Path("/usr/bin/env")) == "/usr/bin/env"
        assert mounts.arguments() == []


@root_only
def test_another_user_reads_what_is_bound_and_the_mount_leaves_no_trace(tmp_path):
    """A readable folder below one that only its owner may enter."""
    hidden = tmp_path / "private" / "hidden"
    hidden.mkdir(parents=True)
    (hidden / "file").write_text("text")
    (tmp_path / "private").chmod(0o700)
    become = ["setpriv", "--reuid=57999", "--regid=57999", "--clear-groups", "--"]
    assert subprocess.run([*become, "cat", str(hidden / "file")], capture_output=True, check=False).returncode == 1
    with BindMounts(other_user=True) as mounts:
        folder, file = mounts.reach(hidden), mounts.reach(hidden / "file")
        words = [*mounts.arguments(), *become, "cat", f"{folder}/file", file]
        assert subprocess.run(words, capture_output=True, check=True).stdout == b"texttext"
        assert list(Path(folder).iterdir()) == []
    assert not Path(folder).parent.exists()
    assert (hidden / "file").read_text() == "text"


def test_without_bubblewrap_it_refuses_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sandbox_module.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"apt install bubblewrap.*--unsafe-no-sandbox") as refused:
        Sandbox()
    assert "\n" not in str(refused.value)
    with Sandbox(unsafe=True) as sandbox:
        assert sandbox.run(python("print(1)"), limits=SHORT).stdout == b"1\n"


@pytest.mark.usefixtures("bubblewrap")
def test_where_bubblewrap_is_forbidden_it_refuses_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(Sandbox, "_has_worked", False)
    monkeypatch.setattr(sandbox_module, "bubblewrap_arguments", lambda *given, **more: ["bwrap", "--no-such-option"])
    with pytest.raises(ConfigError, match=r"bwrap: .*does not work here.*--unsafe-no-sandbox") as refused:
        Sandbox()
    assert "\n" not in str(refused.value)
    assert Sandbox.is_filtered == (column() is not None)  # nothing was found out about the filter
