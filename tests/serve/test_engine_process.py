"""An engine that cannot be started: one line, and this process is as it was."""

import signal
from pathlib import Path

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.serve.engine_process import engine_running, free_port


def test_what_cannot_be_started_is_told_and_signals_do_again_what_they_did(tmp_path: Path):
    no_program = tmp_path / "llama-server"
    no_program.write_text("\x7fno program")
    no_program.chmod(0o755)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    for name in (no_program, tmp_path / "missing"):
        with (
            pytest.raises(ConfigError, match=f"{name} cannot be started"),
            engine_running([str(name)], free_port(), {}),
        ):
            raise AssertionError("it runs")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
