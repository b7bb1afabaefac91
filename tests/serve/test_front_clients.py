"""Clients of the front that hang up, and an engine behind it that closes connections."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx

from multipl_moe.serve.engines import Vllm
from multipl_moe.serve.front import build_front
from tests.serve.conftest import in_front, listening, send
from tests.serve.engine_stub import LANGUAGES, EngineStub

_LATE = "after a pause"


def _connected(url: str, body: bytes, length: int) -> socket.socket:
    """A connection on which a request was begun."""
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), timeout=10)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
    client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    return client


def test_an_answer_ends_where_its_client_hangs_up_and_a_request_that_breaks_off_is_no_failure(picker, caplog):
    engine = EngineStub(list(LANGUAGES), delay_s=20.0)
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
        _connected(url, b"{", 500).close()
        assert send(url, "POST", "/v1/completions", {"prompt": "Once"})[0] == 200
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


class _ClosesIdle(BaseHTTPRequestHandler):
    """Answers what comes after a pause on a connection of its own alone, as if it had begun to close all others."""

    protocol_version = "HTTP/1.1"
    is_used = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_used and body["prompt"] == _LATE:
            self.close_connection = True
            return
        answer = json.dumps({"choices": [{"text": body["prompt"]}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.is_used = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_request_after_a_pause_is_not_lost(picker):
    with ThreadingHTTPServer(("127.0.0.1", 0), _ClosesIdle) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        front = build_front(Vllm(list(LANGUAGES)), f"http://127.0.0.1:{engine.server_port}", picker, token=None)
        with listening(front) as url, httpx.Client(base_url=url) as client:
            for prompt, pause_s in (("at once", 0.0), ("again", 0.0), (_LATE, 1.5)):
                time.sleep(pause_s)
                found = client.post("/completions", json={"model": "base", "prompt": prompt})
                assert (found.status_code, found.json()) == (200, {"choices": [{"text": prompt}]})
        engine.shutdown()
