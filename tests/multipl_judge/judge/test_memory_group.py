"""A control group that bounds a worker's memory: in a group of this machine's where we may make one, else on paper."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from multipl_judge.judge.memory_group import MemoryGroup
from multipl_judge.judge.sandbox import Sandbox
from tests.multipl_judge.judge.conftest import SHORT, python, root_only

_TOPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"))


@pytest.fixture
def group(monkeypatch) -> Iterator[Path]:
    """A group of this machine in which the judge may make others; the test is skipped where there can be none."""
    for top in _TOPS:
        folder = top / f"multipl-moe-tests-{os.getpid()}"
        with suppress(OSError):
            if not (top / "cgroup.procs").exists():
                continue
            folder.mkdir()
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text("+memory")
            try:
                MemoryGroup(folder / "trial").close()
            except OSError:
                folder.rmdir()
                continue
            monkeypatch.setenv("MULTIPL_MOE_CGROUP", str(folder))
            yield folder
            folder.rmdir()
            return
    pytest.skip("no control group that counts memory can be made here")


def on_paper(folder: Path, **files: str) -> MemoryGroup:
    """A folder with files as the kernel shows them."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return MemoryGroup(folder)


def test_the_second_version_bounds_memory_without_swap(tmp_path):
    files = {"memory_max": "max", "memory_swap.max": "max", "memory_events": "low 0\noom 3\noom_kill 2\n"}
    group = on_paper(tmp_path / "group", **files)
    group.limit(2**20)
    assert (tmp_path / "group/memory.max").read_text() == str(5 * 2**18)
    assert (tmp_path / "group/memory.swap.max").read_text() == "0"
    assert group.kills() == 2


def test_the_first_version_bounds_memory_with_swap_where_it_is_counted(tmp_path):
    files = {"memory_limit_in_bytes": "", "memory_oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"}
    group = on_paper(tmp_path / "group", **files)
    group.limit(2**20)
    assert (tmp_path / "group/memory.limit_in_bytes").read_text() == str(5 * 2**18)
    assert not (tmp_path / "group/memory.memsw.limit_in_bytes").exists()
    assert group.kills() == 7


def test_where_memory_is_not_counted_there_is_no_group_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIPL_MOE_CGROUP", str(tmp_path))
    assert MemoryGroup.make("worker") is None
    assert list(tmp_path.iterdir()) == []


@root_only
@pytest.mark.usefixtures("bubblewrap")
def test_programs_run_in_the_group_which_is_gone_in_the_end(group):
    with Sandbox() as sandbox:
        assert sandbox.group is not None
        assert [path.name for path in group.iterdir() if path.is_dir()] == [f"multipl-moe-{sandbox.uid}"]
        done = sandbox.run(["true"], limits=SHORT)
        assert done.exit_code == 0
    assert [path for path in group.iterdir() if path.is_dir()] == []


@root_only
@pytest.mark.parametrize("unsafe", [False, True])
def test_a_program_that_the_watcher_does_not_see_meets_the_groups_limit(group, unsafe, bubblewrap, monkeypatch):
    monkeypatch.setattr("multipl_judge.judge.supervise.memory_bytes", lambda process_ids, enough: 0)
    text = "import os\nif not os.fork(): b = bytearray(b'x') * 2**27\nprint(os.wait()[1])"
    with Sandbox(unsafe=unsafe) as sandbox:
        for _ in range(2):
            done = sandbox.run(python(text), limits=replace(SHORT, memory_bytes=2**26))
            assert (done.stopped_by, done.exit_code) == ("memory", None)
        done = sandbox.run(python("print(1)"), limits=SHORT)
        assert (done.stopped_by, done.exit_code) == (None, 0)
