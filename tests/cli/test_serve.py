"""`serve` from its first line to Ctrl-C: what it refuses, what it starts, and which engine it hands a model to."""

import contextlib
import os
import re
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import APIError

from multipl_judge.extras import install_hint
from multipl_moe.cli.app import main
from tests.serve.conftest import client_of, save_model, send


@pytest.fixture(autouse=True)
def _no_token(monkeypatch):
    monkeypatch.delenv("MULTIPL_MOE_TOKEN", raising=False)


def test_the_token_of_the_environment_a_taken_port_and_missing_packages_are_told(refused, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"--port: 127.0.0.1:{port} cannot be used" in refused("serve", tmp_path, "--port", port)
    with monkeypatch.context() as patch:
        patch.setattr("transformers.utils.import_utils.is_serve_available", lambda: False)
        assert install_hint("serve") in refused("serve", tmp_path, "--port", 0)
    monkeypatch.setenv("MULTIPL_MOE_TOKEN", "not one")
    assert "--token: it must have visible ASCII characters" in refused("serve", tmp_path, "--host", "0.0.0.0")


def test_the_command_says_where_it_serves_and_stops_at_ctrl_c(tmp_path, monkeypatch, capsys):
    folder = save_model(tmp_path / "model")
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("MULTIPL_MOE_TOKEN", "s3cret")
    monkeypatch.setattr(sys, "argv", ["multipl-moe", "serve", str(folder), "--name", "mine", "--port", str(port)])

    def use_and_interrupt() -> tuple[int, int, float]:
        url = f"http://127.0.0.1:{port}/v1"
        connected, status = time.monotonic() + 20, 0
        while time.monotonic() < connected:
            with contextlib.suppress(ConnectionRefusedError):
                status = send(url, "GET", "/v1/models")[0]
                break
        with client_of(url, "s3cret") as client, ThreadPoolExecutor(1) as waiting:
            answer = client.completions.create(model="mine", prompt="x", max_tokens=3)
            events = iter(client.completions.create(model="mine", prompt="x", max_tokens=3000, stream=True))
            next(events)
            unstreamed = waiting.submit(lambda: client.completions.create(model="mine", prompt="x", max_tokens=3000))
            time.sleep(0.5)  # so that it waits for its turn
            interrupted = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(APIError):
                list(events)
            with pytest.raises(APIError, match="the server is stopping"):
                unstreamed.result(timeout=20)
            assert answer.usage is not None
            return status, answer.usage.completion_tokens, interrupted

    with ThreadPoolExecutor(1) as pool:
        used = pool.submit(use_and_interrupt)
        with pytest.raises(SystemExit) as caught:
            main()
        ended = time.monotonic()
        status, num_tokens, interrupted = used.result(timeout=20)
    assert (status, num_tokens, caught.value.code) == (401, 3, None)
    assert ended - interrupted < 4  # well before uvicorn's patience ends
    printed = capsys.readouterr()
    assert printed.out == f"serving mine at http://127.0.0.1:{port}/v1; Ctrl-C stops\nstopped\n"
    assert printed.err == ""


@pytest.fixture
def engines(monkeypatch, tmp_path):
    """Puts programs of these names on the path, alone, and gives the commands that were run, with tokens."""
    commands = []

    def execute(program, command, environment):
        commands.append((command, environment.get("VLLM_API_KEY"), environment.get("LLAMA_API_KEY")))

    def engines(*names):
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in names:
            (programs / name).touch(0o755)
        monkeypatch.setenv("PATH", str(programs))
        monkeypatch.setattr(os, "execvpe", execute)
        return commands

    return engines


def native(folder):
    """What `export --native --gguf --quantise` leaves, as far as `serve` looks at it."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "mixtral"}')
    (folder / "out-BF16.gguf").write_bytes(b"as it is")
    (folder / "out-Q8_0.gguf").write_bytes(b"less")
    return folder


def test_a_native_model_is_handed_to_the_engine_that_is_installed(engines, run, tmp_path):
    model = native(tmp_path / "out")
    commands = engines("vllm", "llama-server")
    told = run("serve", model, "--port", 8123, "--host", "0.0.0.0", "--token", "s3cret")
    address = ["--host", "0.0.0.0", "--port", "8123"]
    expected = ["vllm", "serve", str(model), "--served-model-name", "out", *address]
    assert commands == [(expected, "s3cret", None)]
    assert told.out == f"running {' '.join(expected)}\n"
    run("serve", model, "--port", 8123, "--engine", "llama-server", "--name", "mine")
    file = str(model / "out-BF16.gguf")
    address = ["--host", "127.0.0.1", "--port", "8123"]
    assert commands[1:] == [(["llama-server", "--model", file, "--alias", "mine", *address], None, None)]


def test_without_vllm_llama_server_is_run_where_there_is_a_file_for_it_though_canaries_lie_beside_it(
    engines, run, tmp_path
):
    commands = engines("llama-server")
    run("serve", native(tmp_path / "out"), "--port", 0)
    assert commands[0][0][0] == "llama-server"
    assert int(commands[0][0][-1]) > 0
    for name in ("one-BF16.gguf", "canary.json"):  # a file that is switched by token is served as it is
        (tmp_path / name).write_bytes(b"{}")
    run("serve", tmp_path, "--engine", "llama-server", "--port", 8123)
    assert commands[1][0][:3] == ["llama-server", "--model", str(tmp_path / "one-BF16.gguf")]


def test_without_its_program_a_file_is_served_by_the_wheel(engines, run, tmp_path):
    commands = engines()
    model = native(tmp_path / "out")
    run("serve", model, "--engine", "llama-server", "--port", 8123, "--token", "s3cret")
    file = str(model / "out-BF16.gguf")
    wheel = [sys.executable, "-m", "multipl_moe.serve.llama_server", "--model", file, "--alias", "out"]
    assert commands == [([*wheel, "--host", "127.0.0.1", "--port", "8123"], None, "s3cret")]


@pytest.mark.parametrize(
    ("model_type", "engine", "message"),
    [
        ("mixtral", "vllm", "vllm cannot serve .*: it is not installed"),
        ("mixtral", "llama-server", "the folder has no .gguf file; export the model with --gguf"),
        ("multipl_moe", "vllm", "it knows no hybrid layer; export the model with --native or --merge"),
        (None, "vllm", "it is a pack; export it with --adapter, and serve that folder"),
        (None, "llama-server", "it is a pack; export it with --adapter --gguf, and"),
        ("mixtral", "ollama", "'ollama' is none; choose one of vllm, llama-server, transformers"),
    ],
)
def test_an_engine_that_cannot_is_refused(refused, engines, tmp_path, model_type, engine, message):
    file = tmp_path / ("pack.json" if model_type is None else "config.json")
    file.write_text(f'{{"model_type": "{model_type}"}}')
    engines("llama-server")
    assert re.search(message, refused("serve", tmp_path, "--engine", engine))


@pytest.mark.parametrize("config", [None, "{", "[]", '{"model_type": "multipl_moe"}', '{"model_type": "llama"}'])
def test_without_an_engine_that_can_it_is_transformers(refused, engines, tmp_path, config):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    engines(*(["vllm"] if config is None or "llama" not in config else []))
    assert "model: " in refused("serve", tmp_path, "--port", 0)
