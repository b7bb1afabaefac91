"""A tiny model behind a real socket, in a thread of the test process."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import uvicorn
from openai import OpenAI
from transformers import AutoModelForCausalLM, AutoTokenizer
from uvicorn import server as uvicorn_server

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.serve.app import build_app
from multipl_moe.serve.engines import ENGINES
from multipl_moe.serve.front import build_front
from multipl_moe.serve.picking import Picker
from tests import fixtures
from tests.conftest import randomise, randomise_gate, tiny_base_config, tiny_moe
from tests.fixtures import NUM_TOKENS, save_tokenizer
from tests.serve.engine_stub import LANGUAGES, EngineStub, GatesStub

NAME = "tiny"
JSON = {"Content-Type": "application/json"}
COMPLETION, CHAT = "/v1/completions", "/v1/chat/completions"
PROMPT = "fn main() {"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, dict[str, Any]] = {COMPLETION: {"prompt": PROMPT}, CHAT: {"messages": MESSAGES}}
"""By path, what an answer needs."""
MAX_POSITIONS = 4096
_START_S = 90
CHAT_TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<answer>{% endif %}"
)


def save_model(folder: Path, preset: str | None = "gated-pack") -> Path:
    """A random model, dense without a preset, that writes printable ASCII and never ends by itself."""
    base = tiny_base_config("llama", vocab_size=NUM_TOKENS, eos_token_id=256, max_position_embeddings=MAX_POSITIONS)
    if preset is None:
        model: Any = AutoModelForCausalLM.from_config(base)
    else:
        model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=base, moe=tiny_moe(preset).to_dict()))
    randomise(model)
    if preset is not None and preset.startswith("gated"):
        randomise_gate(model)
    save_tokenizer(folder)
    printable = AutoTokenizer.from_pretrained(folder)("".join(map(chr, range(32, 127))))["input_ids"]
    model.generation_config.suppress_tokens = sorted(set(range(NUM_TOKENS)) - set(printable))
    model.generation_config.eos_token_id = 256
    model.save_pretrained(folder)
    return folder


def load_served(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> tuple[Any, Any]:
    """Model and tokenizer in `folder`."""
    tokenizer: Any = load_tokenizer(folder)
    tokenizer.chat_template = chat_template
    return load_model(folder), tokenizer


@contextlib.contextmanager
def served(model: Any, tokenizer: Any, token: str | None = None) -> Iterator[str]:
    """Base URL of a server that lives as long as the block."""
    with listening(build_app(NAME, model, tokenizer, token=token)) as url:
        yield url


def _soon(seconds: float) -> Any:
    return asyncio.sleep(seconds / 20)


_IMPATIENT = SimpleNamespace(**vars(asyncio) | {"sleep": _soon})
"""In place of asyncio in uvicorn, whose servers look for what is new, such as that they shall end, every 0.1 s."""


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Base URL of an application on a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        uvicorn_server.__dict__["asyncio"] = _IMPATIENT
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()


@contextlib.contextmanager
def served_by_command(words: list[str], log: Path, *, stop: int = signal.SIGTERM) -> Iterator[str]:
    """Base URL of `multipl-moe serve` in front of an engine, in a process that ends well, and its engine with it."""
    command = [sys.executable, "-m", "multipl_moe", "serve", *words, "--port", "0"]
    process = subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    ready = time.monotonic() + _START_S
    while (serving := re.search(r"serving auto, base, .* at (\S+); Ctrl-C stops\n", log.read_text())) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ready, log.read_text()
        time.sleep(0.1)
    try:
        yield serving[1]
    finally:
        process.send_signal(stop)
        code = process.wait(30)
    assert (code, log.read_text().splitlines()[-1]) == (0, "stopped")
    engines = subprocess.run(["pgrep", "-f", f"llama.server.*{engine_port(log)}"], capture_output=True, check=False)
    assert not engines.stdout


def engine_port(log: Path) -> str:
    """Port of the engine behind `served_by_command`."""
    (port,) = re.findall(r"^running .* (\d+)$", log.read_text(), re.MULTILINE)
    return port


def client_of(url: str, token: str = "none") -> OpenAI:
    """The real client; it does not try again."""
    return OpenAI(base_url=url, api_key=token, max_retries=0, timeout=30)


def greedy(held: tuple[Any, Any], text: str, num_new: int, open_share: float | None = None, **special: Any) -> str:
    """What a model, with its tokenizer, writes after `text` when it alone runs, without the server."""
    model, tokenizer = held
    prompt = tokenizer(text, return_tensors="pt", **special)["input_ids"]
    mask = torch.ones_like(prompt)
    known = {} if open_share is None else {"open_share": open_share}
    options: dict[str, Any] = {"max_new_tokens": num_new, "do_sample": False, **known}
    written = model.generate(prompt, attention_mask=mask, **options)
    return tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True)


def connect(url: str) -> http.client.HTTPConnection:
    """A connection of its own."""
    return http.client.HTTPConnection(url.removeprefix("http://").removesuffix("/v1"), timeout=30)


def send(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """Status and text of a request below the host's root; `body` is JSON unless it is bytes, but always said to be."""
    connection = connect(url)
    data = body if isinstance(body, bytes | None) else json.dumps(body)
    try:
        connection.request(method, path, data, JSON | headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def held(folder) -> tuple[Any, Any]:
    """Model and tokenizer."""
    return load_served(folder)


@pytest.fixture(scope="module")
def url(held) -> Iterator[str]:
    with served(*held) as address:
        yield address


@pytest.fixture(scope="module")
def client(url) -> Iterator[OpenAI]:
    with client_of(url) as client:
        yield client


@pytest.fixture(scope="module")
def picker(tmp_path_factory: pytest.TempPathFactory) -> Picker:
    """Of the packs in LANGUAGES, by scripted gates."""
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = fixtures.CHAT_TEMPLATE
    gates: Any = GatesStub(tokenizer)
    return Picker(gates, LANGUAGES, {".rules": "go"})


@contextlib.contextmanager
def in_front(engine: EngineStub, picker: Picker, on_pick: Callable[[str], None] = lambda told: None) -> Iterator[str]:
    """Base URL of a front before an engine."""
    form = ENGINES[engine.kind](engine.adapters)
    with (
        listening(engine.app) as behind,
        listening(build_front(form, behind.removesuffix("/v1"), picker, token=None, on_pick=on_pick)) as url,
    ):
        yield url
