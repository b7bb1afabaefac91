"""`serve` and `check` with llama.cpp's own server behind the gate, from the command to Ctrl-C."""

import sys
from typing import Any

import httpx
import pytest

from multipl_moe.packs.adapters import export_adapters
from multipl_moe.packs.canary import load_canaries
from multipl_moe.packs.files import Pack
from multipl_moe.serve import engines
from tests.packs.test_adapters import two_packs
from tests.serve.conftest import client_of, engine_port, listening, served_by_command
from tests.serve.engine_stub import EngineStub


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    base, packs = two_packs(root, "llama")
    export_adapters(packs, root / "both", str(base), gguf=True)
    return root / "both"


@pytest.mark.extended
def test_adapters_behind_llama_cpp_are_on_and_nothing_stays_when_it_stops(exported, run, tmp_path):
    log = tmp_path / "log"
    with served_by_command([str(exported), "--engine", "llama-server"], log) as url:
        assert "serving auto, base, rust, ocaml at " in log.read_text()
        outcome = run("check", url, "--canary", exported / "canary.json")
        assert [line.partition(" (")[0] for line in outcome.out.splitlines()] == ["rust: on", "ocaml: on"]
        client, prompt = client_of(url), load_canaries(exported / "canary.json")["rust"][0].prompt
        asked = {"prompt": prompt, "max_tokens": 12, "temperature": 0.0}
        written = {name: client.completions.create(model=name, **asked) for name in ("base", "rust", "ocaml")}
        told = client.completions.create(model="auto", **asked, extra_body={"language": "ocaml"})
        assert told.choices[0].text == written["ocaml"].choices[0].text
        stream = client.completions.create(model="rust", **asked, stream=True)
        assert "".join(event.choices[0].text for event in stream) == written["rust"].choices[0].text
        assert len({answer.choices[0].text for answer in written.values()}) == 3
        behind = f"http://127.0.0.1:{engine_port(log)}"
        assert httpx.post(f"{behind}/v1/completions", json=asked).status_code == 401, "none but the front may ask it"
    assert "/v1/completions: rust, by model" in log.read_text()


_STARTS_NOT = "#!/bin/sh\necho no such file >&2\nexit 3\n"
_ENDS_SOON = f"""#!{sys.executable}
import http.server, os, sys, threading
class Engine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/lora-adapters":
            self.wfile.write(b'[{{"path": "rust.gguf"}}, {{"path": "ocaml.gguf"}}]')
            threading.Timer(1, os._exit, [3]).start()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Engine).serve_forever()
"""


@pytest.mark.parametrize(
    ("program", "when"), [(_STARTS_NOT, "before it answered"), (_ENDS_SOON, "while it served; it says why above")]
)
def test_an_engine_that_ends_is_told_and_leaves_nothing(exported, run, monkeypatch, tmp_path, program, when):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "llama-server").write_text(program)
    (programs / "llama-server").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    outcome = run("serve", exported, "--engine", "llama-server", "--port", 0, code=2)
    assert f"error: --engine: llama-server ended with 3 {when}" in outcome.err


def test_without_an_engine_the_first_that_is_installed_and_can_is_started(exported, monkeypatch):
    packs: Any = {"rust": Pack.load(exported / "rust")}
    monkeypatch.setattr(engines.shutil, "which", lambda name: f"/bin/{name}")
    assert engines.first_command(["vllm", "llama-server"], "some/base", exported, packs, 1)[0] == "vllm"
    gguf = str(next(exported.glob("base-*.gguf")))
    assert engines.first_command(["vllm", "llama-server"], gguf, exported, packs, 1)[0] == "llama-server"
    monkeypatch.setattr(engines.shutil, "which", lambda name: f"/bin/{name}" if name == "llama-server" else None)
    assert engines.first_command(["vllm", "llama-server"], None, exported, packs, 1)[0] == "llama-server"


def test_what_goes_with_no_engine_or_no_adapters_is_refused(exported, refused, tmp_path, monkeypatch):
    assert "choose one of vllm, llama-server" in refused("serve", exported, "--engine", "transformers")
    at_url = refused("serve", exported, "--engine-url", "http://127.0.0.1:9")
    assert "of a kind that you must name; choose one of vllm, llama-server" in at_url
    assert "--name: clients of" in refused("serve", exported, "--engine", "vllm", "--name", "mine")
    unreachable = ("serve", exported, "--engine", "vllm", "--engine-url", "http://127.0.0.1:9")
    assert "does not tell what it holds" in refused(*unreachable)
    assert "--base: the engine at --engine-url has its base already" in refused(*unreachable, "--base", "x")
    assert "they go with a folder of `export --adapter`" in refused("serve", tmp_path, "--base", "x")
    assert "give the base's GGUF file" in refused("serve", exported, "--engine", "llama-server", "--base", "no.gguf")
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    neither = refused("serve", exported, "--port", "0", num_problems=3)
    assert "vllm is not installed" in neither
    assert "llama-server is not installed" in neither
    assert "start sglang yourself" in neither


@pytest.mark.parametrize(
    ("engine", "kind"), [("vllm", "sglang"), ("sglang", "vllm"), ("sglang", "llama-server"), ("llama-server", "sglang")]
)
def test_an_engine_of_another_kind_than_was_told_is_refused_as_it_would_answer_with_the_base(
    exported, refused, engine: str, kind: str
):
    with listening(EngineStub(["rust", "ocaml"], kind=kind).app) as url:
        told = refused("serve", exported, "--engine", engine, "--engine-url", url.removesuffix("/v1"))
    assert f"is no {engine}; choose {kind}" in told
