"""Runs that share a sandbox: each ends as it does in a sandbox of its own, and none learns of another."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from multipl_judge.judge import sandbox as sandbox_module
from multipl_judge.judge.sandbox import Finished, Sandbox, SandboxError
from multipl_judge.judge.system_calls import column
from tests.multipl_judge.judge.conftest import SHORT, python

pytestmark = pytest.mark.skipif(column() is None, reason="without the filter each run has its own sandbox")

INPUTS = (b"", b"x" * 300_000)
_DAEMON = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\n"
# Text, and whether the next run may be in the same sandbox.
PROGRAMS = {
    "answers": ("import sys; print(len(sys.stdin.read())); print('e', file=sys.stderr)", True),
    "reads nothing": ("print(1)", True),
    "opens its input by name": ("print(len(open('/dev/stdin').read()))", True),
    "opens its output by name": ("open('/dev/stdout', 'w').write('named'); open('/dev/stderr', 'w').write('e')", True),
    "fails": ("import sys; sys.exit(len(sys.stdin.read()) % 7)", True),
    "crashes": ("import os; print('out', flush=True); os.abort()", True),
    "waits for its children": ("import os\nif os.fork(): os.wait(); print(1)", True),
    "kills all": (
        "import os\nfor process_id in (1, -1):\n for number in (9, 15):\n  try: os.kill(process_id, number)\n"
        "  except OSError: pass\nprint('lives')",
        True,
    ),
    "closes its streams": ("import os\nfor n in range(3): os.close(n)\nos._exit(5)", True),
    "leaves a file": ("import os\nprint(os.listdir('.'), os.listdir('/tmp'))\nopen('left', 'w')", False),
    "leaves shared memory": ("import os\nprint(os.listdir('/dev/shm'))\nopen('/dev/shm/left', 'w')", False),
    "leaves no more than a time": ("import os\nprint(os.stat('/tmp').st_mtime < 9)\nos.utime('/tmp', (5, 5))", False),
    "leaves a mode": ("import os\nprint(oct(os.stat('/tmp').st_mode))\nos.chmod('/tmp', 0o700)", False),
    "made and removed a file": ("import os\nopen('a', 'w').close(); os.remove('a'); print(os.listdir('.'))", False),
    "leaves a daemon": (_DAEMON + "time.sleep(60)", False),
    "leaves one that prints": (_DAEMON + "while True: print('mine', flush=True); time.sleep(0.01)", False),
    "leaves one that forks": (_DAEMON + "while True:\n if os.fork(): os._exit(0)", False),
    "leaves a connection": (
        "import socket\nheard = socket.create_server(('127.0.0.1', 5000), reuse_port=False)\n"
        "one = socket.create_connection(('127.0.0.1', 5000)); other = heard.accept()[0]\none.close(); other.close()",
        False,
    ),
}


@pytest.fixture
def started(monkeypatch) -> list[object]:
    """Grows by one with each sandbox that is started."""
    begun: list[object] = []
    start = sandbox_module.start
    monkeypatch.setattr(sandbox_module, "start", lambda *words, **ways: begun.append(words) or start(*words, **ways))
    return begun


@pytest.fixture
def folder(sandbox) -> Iterator[Path]:
    with sandbox.new_folder() as made:
        yield made


def end(finished: Finished, *, with_output: bool = True) -> tuple[object, ...]:
    output = (finished.stdout, finished.stderr) if with_output else ()
    return finished.exit_code, finished.signal, finished.stopped_by, *output


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_run_ends_as_in_a_sandbox_of_its_own_and_the_next_begins_afresh(name, sandbox, folder, started):
    text, is_shared = PROGRAMS[name]
    with_output = name != "leaves one that prints"
    alone = [end(sandbox.run(python(text), limits=SHORT, stdin=given), with_output=with_output) for given in INPUTS]
    num_alone = len(started)
    with sandbox.runs(python(text), limits=SHORT, folder=folder) as run:
        together = [end(run(given), with_output=with_output) for given in INPUTS]
    assert together == alone
    assert name != "kills all" or alone[0] == (0, None, None, b"lives\n", b"")
    assert len(started) - num_alone == (1 if is_shared else len(INPUTS))


@pytest.mark.parametrize(
    ("text", "limit", "value"),
    [
        ("import time; time.sleep(60)", "time", {"cpu_s": 0.3}),
        ("print('x' * 2000)", "output", {"output_bytes": 1000}),
        ("b = bytearray(b'x') * 2**27; import time; time.sleep(60)", "memory", {"memory_bytes": 2**26}),
    ],
)
def test_each_run_has_all_of_its_limits(text, limit, value, sandbox, folder):
    text = f"import sys\nif sys.stdin.read():\n  {text}\nelse: print('fine')"
    with sandbox.runs(python(text), limits=replace(SHORT, **value), folder=folder) as run:
        ends = [run(given).stopped_by for given in (b"", b"1", b"", b"1", b"")]
    assert ends == [None, limit, None, limit, None]


def test_a_run_holds_three_streams_and_sees_no_input_but_its_own(sandbox, folder):
    text = (
        "import os\nprint(os.listdir('/proc/self/fd'), os.listdir('/proc/1'), sorted(os.listdir('/streams')))\n"
        "print(open('/streams/in').read())\nfor name in ('/streams/new', '/streams/in', '/proc/1/new'):\n"
        " try: open(name, 'w'); print('written')\n except OSError as error: print(error.errno)"
    )
    with sandbox.runs(python(text), limits=SHORT, folder=folder) as run:
        for given in (b"first", b"second"):
            expected = f"['0', '1', '2', '3'] [] ['err', 'in', 'out']\n{given.decode()}\n30\n30\n30\n"
            assert run(given).stdout.decode() == expected


def test_where_sandboxes_cannot_be_shared_each_run_has_its_own(sandbox, folder, started, monkeypatch):
    def refuse(*words: object) -> None:
        raise SandboxError("sandbox: cannot mount on /proc/1")

    monkeypatch.setattr(Sandbox, "shares", True)
    monkeypatch.setattr(sandbox_module, "Runner", refuse)
    with sandbox.runs(python("print(input())"), limits=SHORT, folder=folder) as run:
        assert [run(given).stdout for given in (b"1", b"2")] == [b"1\n", b"2\n"]
    assert len(started) == 3
