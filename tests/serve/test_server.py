"""The socket, and the command from its first line to Ctrl-C."""

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

from multipl_moe.cli.app import main
from multipl_moe.errors import ConfigError
from multipl_moe.serve.server import listen, url_of

from .conftest import client_of, send


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Runs `serve` where it must be refused before the model is loaded: one line and exit code 2."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MULTIPL_MOE_TOKEN", raising=False)

    def refused(*arguments, model=tmp_path):
        monkeypatch.setattr(sys, "argv", ["multipl-moe", "serve", str(model), *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        assert caught.value.code == 2
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 1
        return printed.err

    return refused


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_can_reach_needs_a_token(refused, host):
    assert f"--token: needed on {host}" in refused("--host", host, "--port", 0)


def test_an_address_that_others_can_reach_is_bound_with_a_token():
    with listen("0.0.0.0", 0, "s3cret") as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("token", ["", "two words", "größer", "line\nfeed"])
def test_a_token_that_no_header_can_carry_is_refused(refused, token):
    assert "--token: it must have visible ASCII characters" in refused("--token", token)


def test_the_environment_gives_the_token(refused, monkeypatch):
    monkeypatch.setenv("MULTIPL_MOE_TOKEN", "not one")
    assert "--token: it must have visible ASCII characters" in refused("--host", "0.0.0.0")


def test_a_taken_port_is_told(refused):
    with listen("127.0.0.1", 0, None) as other:
        port = other.getsockname()[1]
        assert f"--port: 127.0.0.1:{port} cannot be used" in refused("--port", port)


def test_a_host_that_is_none_is_told(refused):
    assert "--host: 'no such host' is no address" in refused("--host", "no such host")
    assert "--port: 192.0.2.1:0 cannot be used" in refused("--host", "192.0.2.1", "--port", 0, "--token", "x")


def test_a_folder_that_holds_no_model_is_told(refused, tmp_path):
    assert "nothing is not a folder" in refused(model=tmp_path / "nothing")
    assert "has no config.json" in refused("--port", 0)


def test_missing_packages_are_told_with_the_remedy(refused, monkeypatch):
    monkeypatch.setattr("transformers.utils.import_utils.is_serve_available", lambda: False)
    assert "pip install -e '.[serve]'" in refused()


def test_the_url_of_an_ipv6_address_is_in_brackets():
    try:
        listener = listen("::1", 0, None)
    except ConfigError:  # a machine without IPv6
        listener = socket.socket(socket.AF_INET6)
        listener.bind(("::", 0))
    with listener:
        assert re.fullmatch(r"http://\[::1?\]:\d+/v1", url_of(listener))


def test_the_command_says_where_it_serves_and_stops_at_ctrl_c(folder, monkeypatch, capsys):
    with listen("127.0.0.1", 0, None) as free:
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
        with client_of(url, "s3cret") as client:
            answer = client.completions.create(model="mine", prompt="x", max_tokens=3)
            events = iter(client.completions.create(model="mine", prompt="x", max_tokens=3000, stream=True))
            next(events)
            interrupted = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(APIError, match="the server is stopping"):
                list(events)
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
