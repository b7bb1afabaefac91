"""Which guards are in force, as `doctor` tells it."""

from multipl_judge.judge.guards import guards_of
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.system_calls import column


def states(sandbox: Sandbox) -> dict[str, bool]:
    return {guard.what: guard.is_full for guard in guards_of(sandbox)}


def test_with_bubblewrap_files_network_and_system_calls_are_guarded(sandbox):
    found = states(sandbox)
    assert found["files, network, processes"]
    assert found["system calls"] == (column() is not None)
    assert found["users"] == (sandbox.uid is not None)
    assert found["memory"] == (sandbox.group is not None)


def test_without_bubblewrap_none_of_this_is():
    with Sandbox(unsafe=True) as sandbox:
        found = states(sandbox)
    assert not found["files, network, processes"]
    assert not found["system calls"]


def test_a_kernel_without_filters_is_found_out_and_programs_run_all_the_same(bubblewrap, monkeypatch):
    monkeypatch.setattr(Sandbox, "_has_worked", False)
    monkeypatch.setattr(Sandbox, "is_filtered", True)
    monkeypatch.setattr("multipl_judge.judge.sandbox.system_call_filter", lambda *, forks: b"no filter")
    with Sandbox() as sandbox:
        assert not Sandbox.is_filtered
        assert not states(sandbox)["system calls"]
