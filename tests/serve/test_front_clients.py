"""Clients that hang up, and what they may ask for, in front of an engine."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from multipl_moe.serve.picking import Picker
from tests.serve.conftest import in_front, send
from tests.serve.engine_stub import LANGUAGES, EngineStub, GatesStub

_FENCED = "Here:\n```rust\nfn main() {}\n```\n"


@pytest.fixture
def picker(held) -> Picker:
    gates: Any = GatesStub(held[1])
    return Picker(gates, LANGUAGES)


def _connected(url: str, body: bytes, length: int) -> socket.socket:
    """A connection on which a request was begun."""
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), timeout=10)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
    client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    return client


def test_an_answer_ends_where_its_client_hangs_up(picker):
    engine = EngineStub(["systems", "ml"], delay_s=20.0)
    body = json.dumps({"prompt": "Once", "max_tokens": 300}).encode()
    with in_front(engine, picker) as url:
        client = _connected(url, body, len(body))
        until = time.monotonic() + 10
        while not engine.asked and time.monotonic() < until:
            time.sleep(0.02)
        client.close()
        while not engine.stopped and time.monotonic() < until:
            time.sleep(0.02)
        assert engine.stopped == ["base"]
        engine.delay_s = 0.0
        assert send(url, "POST", "/v1/completions", {"prompt": "Once"})[0] == 200


def test_a_request_that_breaks_off_is_no_failure_of_the_server(picker, caplog):
    with in_front(EngineStub(["systems", "ml"]), picker) as url:
        _connected(url, b"{", 500).close()
        assert send(url, "POST", "/v1/completions", {"prompt": "Once"})[0] == 200
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("messages", [None, "hi", ["hi"], [{"role": "user", "content": ["a"]}], [{"content": 3}]])
def test_messages_that_cannot_be_read_are_told_by_their_name(picker, messages):
    body = {} if messages is None else {"messages": messages}
    with in_front(EngineStub(["systems", "ml"]), picker) as url:
        status, told = send(url, "POST", "/v1/chat/completions", body)
    assert (status, json.loads(told)["error"]["message"].partition(":")[0]) == (400, "messages")


@pytest.mark.parametrize("key", ["logprobs", "prompt_logprobs"])
def test_scores_of_none_but_the_tokens_themselves_are_scores_too(picker, key):
    engine = EngineStub(["systems", "ml"], lambda name, body: _FENCED)
    with in_front(engine, picker) as url:
        send(url, "POST", "/v1/completions", {"prompt": "Write.\n", key: 0})
        assert [name for name, _ in engine.asked] == ["base"]
        send(url, "POST", "/v1/completions", {"prompt": "Write.\n"})
        assert [name for name, _ in engine.asked][1:3] == ["base", "systems"], "without scores it is continued"
