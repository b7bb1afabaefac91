"""What a command in the sandbox can do, see and leave behind: no more than it was given."""

import os
import resource
import socket
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from multipl_judge.judge import supervise as supervise_module
from multipl_judge.judge import worker_uid
from multipl_judge.judge.processes import start
from multipl_judge.judge.sandbox import Sandbox, SandboxError
from tests.multipl_judge.judge.conftest import SHORT, left_behind, python

_MIB = 2**20
_ENDLESS = ("while True: pass", "time.sleep(60)")


def test_input_arrives_whole_and_is_closed(any_sandbox):
    counted = python("import sys, zlib; b = sys.stdin.buffer.read(); print(len(b), zlib.crc32(b))")
    for sent in (b"", os.urandom(3 * _MIB)):
        done = any_sandbox.run(counted, stdin=sent, limits=SHORT)
        assert done.stdout.split() == [str(len(sent)).encode(), str(zlib.crc32(sent)).encode()]


def test_output_arrives_whole_up_to_its_limit(any_sandbox):
    text = "import sys\nfor _ in range(300): print('x' * 999); print('y' * 999, file=sys.stderr)"
    limits = replace(SHORT, output_bytes=600_000)
    done = any_sandbox.run(python(text), limits=limits)
    assert (len(done.stdout), len(done.stderr), done.exit_code, done.stopped_by) == (300_000, 300_000, 0, None)
    assert any_sandbox.run(python(f"{text}\nprint()"), limits=limits).stopped_by == "output"
    done = any_sandbox.run(["yes"], limits=SHORT)
    assert (done.stopped_by, done.exit_code, done.signal) == ("output", None, None)
    assert len(done.stdout) == SHORT.output_bytes
    assert done.wall_s < 5


def test_the_limit_of_time_ends_all_and_tells_a_busy_program_from_one_that_sleeps(any_sandbox):
    limits = replace(SHORT, cpu_s=0.3)
    busy, asleep = (any_sandbox.run(python(f"import time\n{text}"), limits=limits) for text in _ENDLESS)
    for done in (busy, asleep):
        assert (done.stopped_by, done.exit_code, done.signal) == ("time", None, None)
        assert 0.3 <= done.wall_s < 3


@pytest.mark.parametrize(
    "text",
    [
        "b = []\nwhile True: b.append(bytearray(b'x') * 2**22)",
        "import os, time\nfor _ in range(8):\n if not os.fork():\n  b = bytearray(b'x') * 2**26; time.sleep(60)\n"
        "os.wait()",
    ],
    ids=["one process", "many processes"],
)
def test_memory_of_all_processes_together_is_limited(any_sandbox, text):
    done = any_sandbox.run(python(text), limits=SHORT)
    assert done.stopped_by == "memory"
    assert done.peak_bytes > SHORT.memory_bytes


def test_a_program_has_few_descriptors(any_sandbox):
    text = "import os\nn = 0\ntry:\n while True: os.dup(0); n += 1\nexcept OSError: print(n)"
    limits = replace(SHORT, open_files=40)
    assert 30 < int(any_sandbox.run(python(text), limits=limits).stdout) < 40


def test_the_number_of_processes_is_limited(sandbox):
    text = (
        "import os, time\nn = 0\ntry:\n while True:\n  if not os.fork(): time.sleep(60)\n  n += 1\n"
        "except OSError: print(n)"
    )
    done = sandbox.run(python(text), limits=SHORT)
    assert done.exit_code == 0
    assert SHORT.processes - 4 <= int(done.stdout) < SHORT.processes


def test_without_bubblewrap_and_without_an_own_user_the_callers_processes_are_not_counted(monkeypatch):
    monkeypatch.setattr(worker_uid.os, "geteuid", lambda: 1000)
    program = python("import resource; print(resource.getrlimit(resource.RLIMIT_NPROC))")
    with Sandbox(unsafe=True) as sandbox:
        assert sandbox.uid is None
        printed = sandbox.run(program, limits=SHORT).stdout.decode()
    assert printed.strip() == str(resource.getrlimit(resource.RLIMIT_NPROC))


def test_a_daemon_ends_with_the_program(any_sandbox):
    if any_sandbox.unsafe and any_sandbox.uid is None:
        pytest.skip("without bubblewrap only root can end a process that left its group")
    text = (
        "import os, time\nif os.fork(): time.sleep(0.1); print('done', flush=True); os._exit(0)\n"
        "os.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(60)"
    )
    done = any_sandbox.run(python(text), limits=SHORT)
    assert (done.stdout, done.exit_code, done.stopped_by) == (b"done\n", 0, None)
    assert done.wall_s < 5
    assert left_behind(any_sandbox) == []


def test_an_error_in_the_judge_leaves_no_process(any_sandbox, monkeypatch):
    looks = iter([[], KeyboardInterrupt()])

    def interrupt(process_id: int) -> list[int]:
        look = next(looks)
        if isinstance(look, KeyboardInterrupt):
            raise look
        return look

    monkeypatch.setattr(supervise_module, "descendants", interrupt)
    with pytest.raises(KeyboardInterrupt):
        any_sandbox.run(["sleep", "60"], limits=SHORT)
    assert left_behind(any_sandbox) == []


def test_a_program_that_cannot_be_watched_does_not_run_on(any_sandbox, monkeypatch):
    def refuse(process_id: int) -> int:
        raise OSError(24, "Too many open files")

    started: list[Any] = []  # one that nobody knows any longer is reaped by Python
    recorded: Any = lambda *words, **options: started.append(start(*words, **options)) or started[-1]  # noqa: E731
    monkeypatch.setattr("multipl_judge.judge.sandbox.start", recorded)
    monkeypatch.setattr(supervise_module.os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        any_sandbox.run(["sleep", "60"], limits=SHORT)
    assert [process.returncode is None for process in started] == [False]
    assert left_behind(any_sandbox) == []


def test_no_zombie_and_no_descriptor_is_left_after_many_runs(sandbox):
    def held() -> tuple[int, int]:
        statuses = [process.info["status"] for process in psutil.process_iter(["status"])]
        return len(list(Path("/proc/self/fd").iterdir())), statuses.count(psutil.STATUS_ZOMBIE)

    daemon = python("import os, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(60)")
    sandbox.run(["true"], limits=SHORT)
    descriptors, zombies = held()
    for _ in range(5):
        sandbox.run(daemon, limits=SHORT)
        sandbox.run(["sleep", "9"], limits=replace(SHORT, cpu_s=0.05))
    now_descriptors, now_zombies = held()
    assert now_descriptors == descriptors
    assert now_zombies < zombies + 5


def test_there_is_no_network_and_abstract_sockets_of_the_host_are_out_of_reach(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as named:
        named.bind("\0multipl-moe-test")
        named.listen()
        text = (
            "import socket\nprint([n for _, n in socket.if_nameindex()])\n"
            f"for kind, address in ((2, ('127.0.0.1', {server.getsockname()[1]})), (1, '\\0multipl-moe-test')):\n"
            " try: socket.socket(kind).connect(address); print('connected')\n"
            " except OSError as error: print(type(error).__name__)"
        )
        done = sandbox.run(python(text), limits=SHORT)
    assert done.stdout.decode().split() == ["['lo']", "ConnectionRefusedError", "ConnectionRefusedError"]


def test_files_of_the_host_are_not_there(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    hidden = [secret, Path(__file__), Path.home(), Path("/etc/passwd"), Path("/var"), Path("/root"), Path("/sys")]
    text = f"import os\nprint([p for p in {list(map(str, hidden))} if os.path.exists(p)])"
    assert sandbox.run(python(text), limits=SHORT).stdout == b"[]\n"


def test_only_folders_in_memory_can_be_written_and_they_are_small(sandbox):
    text = (
        "for folder in '/ /usr /usr/lib /etc /etc/ssl /dev /proc /scratch /tmp /dev/shm'.split():\n"
        " n = 0\n"
        " try:\n"
        "  with open(folder + '/mine', 'wb', 0) as f:\n"
        "   while True: n += f.write(bytes(2**16))\n"
        " except OSError as error: print(folder, error.errno, n) if n else None"
    )
    full = [f"{folder} 28 {SHORT.scratch_bytes}" for folder in ("/scratch", "/tmp", "/dev/shm")]
    assert sandbox.run(python(text), limits=SHORT).stdout.decode().splitlines() == full


def test_the_environment_is_clean(any_sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    text = "import os; print(dict(os.environ), os.getcwd())"
    done = any_sandbox.run(python(text), limits=SHORT, environment={"MORE": "1"})
    names, folder = eval(done.stdout.decode().rsplit(" ", 1)[0]), done.stdout.decode().split()[-1]
    assert set(names) - {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "LANG", "MORE"}
    assert names["HOME"] == names["TMPDIR"] == folder
    assert names["LANG"] == "C.UTF-8"


def test_no_variable_of_a_command_chooses_what_makes_the_sandbox(any_sandbox, tmp_path):
    for name in ("bwrap", "setpriv", "prlimit", "unshare", "mount", "sh", "env"):
        (tmp_path / name).write_text(f"#!/bin/sh\n/usr/bin/touch {tmp_path}/ran-{name}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": str(tmp_path), "BAD": "a=b", "-u": "x"}
    done = any_sandbox.run(
        python("import os; print(os.environ['PATH'], os.environ['BAD'], os.environ['-u'])"),
        limits=SHORT,
        environment=variables,
    )
    assert (done.exit_code, done.stdout.decode().split()) == (0, list(variables.values()))
    assert not list(tmp_path.glob("ran-*"))


def test_no_descriptor_of_the_judge_is_open_inside(any_sandbox):
    done = any_sandbox.run(["ls", "/proc/self/fd"], limits=SHORT)
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]


def test_the_command_has_no_rights(sandbox):
    text = (
        "import ctypes\nlines = open('/proc/self/status').read().splitlines()\n"
        "fields = dict(line.split(':\\t') for line in lines if ':\\t' in line)\n"
        "print(fields['Uid'].split()[0], fields['CapEff'], fields['CapBnd'], fields['NoNewPrivs'])\n"
        "print(ctypes.CDLL(None).unshare(0x10000000))"
    )
    done = sandbox.run(python(text), limits=SHORT)
    assert done.stdout.decode().split() == ["1000", "0" * 16, "0" * 16, "1", "-1"]


def test_a_folder_is_read_only_unless_asked(sandbox):
    with sandbox.new_folder() as folder:
        (folder / "given").write_text("text")
        write = f"open('{sandbox.seen_as(folder)}/left', 'w').write('more')"
        assert b"Read-only file system" in sandbox.run(python(write), limits=SHORT, folder=folder).stderr
        read = sandbox.run(["cat", f"{sandbox.seen_as(folder)}/given"], limits=SHORT, folder=folder)
        assert read.stdout == b"text"
        assert [file.name for file in folder.iterdir()] == ["given"]


@pytest.mark.parametrize(
    ("any_sandbox", "text"),
    [
        ("unsafe", "for n in range(200): open(f'{n}', 'wb').write(bytes(2**20))"),
        ("bubblewrap", "for n in range(200): open(f'{n}', 'wb').write(bytes(2**20))"),
        ("bubblewrap", "for n in range(5000): open(f'{n}', 'wb').close()"),
        ("bubblewrap", "for n in range(5000): os.mkdir(f'{n}')"),
        ("bubblewrap", "for n in range(3000): os.mkdir('a'); os.chdir('a')"),
    ],
    ids=["unsafe", "much", "many files", "many folders", "a deep folder"],
    indirect=["any_sandbox"],
)
def test_a_writable_folder_is_small(text, any_sandbox, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")  # a disk may take seconds to make so many
    text = f"{text}\nimport time; time.sleep(60)"
    with any_sandbox.new_folder() as folder:
        program = python(f"import os; os.chdir('{any_sandbox.seen_as(folder)}')\n{text}")
        done = any_sandbox.run(program, limits=SHORT, folder=folder, writable=True)
    assert done.stopped_by == "output"
    assert not folder.exists()


def test_links_out_of_a_writable_folder_lead_nowhere(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with sandbox.new_folder() as folder:
        inside = sandbox.seen_as(folder)
        sandbox.run(["ln", "-s", str(secret), f"{inside}/out"], limits=SHORT, folder=folder, writable=True)
        sandbox.run(["ln", "-s", "/etc", f"{inside}/folder"], limits=SHORT, folder=folder, writable=True)
        assert sandbox.run(["cat", f"{inside}/out"], limits=SHORT, folder=folder).exit_code == 1
        assert sandbox.run(["cat", f"{inside}/folder/passwd"], limits=SHORT, folder=folder).exit_code == 1
    assert secret.read_text() == "secret"
    assert Path("/etc/passwd").exists()


def test_an_overlay_can_be_written_and_nothing_changes(sandbox):
    with sandbox.new_folder() as cache:
        (cache / "warm").write_text("old")
        cache.chmod(0o755)
        change = f"cd {cache} && cat warm && echo new > more && cat more"
        done = sandbox.run(["sh", "-c", change], limits=SHORT, overlay=cache)
        assert done.stdout == b"oldnew\n"
        assert [file.name for file in cache.iterdir()] == ["warm"]


def test_a_command_that_is_not_there_is_the_commands_error(sandbox):
    assert sandbox.run(["/usr/bin/no-such-program"], limits=SHORT).exit_code == 127


def test_a_sandbox_that_fails_is_not_taken_for_the_program(sandbox, tmp_path):
    with pytest.raises(SandboxError, match="sandbox: "):
        sandbox.run(["true"], limits=SHORT, folder=tmp_path / "missing")
