"""The stand-in for `llama-server` tells what it cannot load."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("content", [None, b"", b"no GGUF"])
def test_a_file_that_is_missing_or_broken_is_told_in_a_line(tmp_path: Path, content: bytes | None):
    file = tmp_path / "base.gguf"
    if content is not None:
        file.write_bytes(content)
    command = [sys.executable, "-m", "multipl_moe.serve.llama_server", "--model", str(file), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert f"--model, --lora: {file} cannot be loaded" in ended.stderr  # a thread of llama.cpp may write on below it
