"""A connection that its engine is just closing takes no request."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx

from multipl_moe.serve.engines import Vllm
from multipl_moe.serve.front import build_front
from multipl_moe.serve.picking import Picker
from tests.serve.conftest import listening

_LATE = "after a pause"


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


def test_a_request_after_a_pause_is_not_lost():
    with ThreadingHTTPServer(("127.0.0.1", 0), _ClosesIdle) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        picker = Picker(cast(Any, None), {"rust": ["rust"]})  # no gate is asked where the model is told
        front = build_front(Vllm(["rust"]), f"http://127.0.0.1:{engine.server_port}", picker, token=None)
        with listening(front) as url, httpx.Client(base_url=url) as client:
            for prompt, pause_s in (("at once", 0.0), ("again", 0.0), (_LATE, 1.5)):
                time.sleep(pause_s)
                found = client.post("/completions", json={"model": "base", "prompt": prompt})
                assert (found.status_code, found.json()) == (200, {"choices": [{"text": prompt}]})
        engine.shutdown()
