"""Engines with adapters of their own: how one is started, and how a request asks it for an adapter or for the base."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

import httpx

from multipl_moe.errors import ConfigError, UserError
from multipl_moe.export.model_card import CARD_FILE
from multipl_moe.packs.card import served_rank, served_slots
from multipl_moe.packs.files import Pack, base_of

BASE = "base"  # name of the base for clients
KEY_OF = {  # variables with the key that an engine asks for
    "vllm": "VLLM_API_KEY",
    "llama-server": "LLAMA_API_KEY",
    "sglang": "SGLANG_API_KEY",
}
# llama.cpp's cache of prompts in memory does not know which adapter computed them (its issue 26207).
LLAMA_FLAGS = ("--lora-init-without-apply", "--cache-ram", "0")


@dataclass(frozen=True)
class Vllm:
    """vLLM: a request's `model` is the base or an adapter."""

    adapters: Sequence[str]

    def body(self, body: dict[str, Any], adapter: str | None) -> dict[str, Any]:
        """A request's body, asking for an adapter, or for the base."""
        return body | {"model": adapter or BASE}

    def continued(self, body: dict[str, Any], answer: str) -> dict[str, Any]:
        """Of a chat: what makes the engine go on with an answer that was begun."""
        rest = [*body["messages"], {"role": "assistant", "content": answer}]
        return body | {"messages": rest, "add_generation_prompt": False, "continue_final_message": True}

    def goes_on(self, body: dict[str, Any]) -> bool:
        """Whether a chat goes on with its last message, in place of a new one."""
        return bool(body.get("continue_final_message"))

    def written(self, text: str, begun: str) -> str:
        """Of the text of a whole chat answer that was begun, what the engine wrote."""
        return text


@dataclass(frozen=True)
class LlamaServer(Vllm):
    """llama.cpp's server: a request has the scale of each adapter; one that it leaves out keeps the server's."""

    def body(self, body: dict[str, Any], adapter: str | None) -> dict[str, Any]:
        """A request's body, asking for an adapter, or for the base."""
        scales = [{"id": place, "scale": float(name == adapter)} for place, name in enumerate(self.adapters)]
        return {key: value for key, value in body.items() if key != "model"} | {"lora": scales}

    def continued(self, body: dict[str, Any], answer: str) -> dict[str, Any]:
        """Of a chat: an answer that was begun comes last."""
        return body | {"messages": [*body["messages"], {"role": "assistant", "content": answer}]}

    def goes_on(self, body: dict[str, Any]) -> bool:
        """Whether a chat goes on with its last message: always where that is an answer."""
        return bool(body["messages"]) and body["messages"][-1].get("role") == "assistant"

    def written(self, text: str, begun: str) -> str:
        """Without what was begun, which it repeats in a whole answer and not in a streamed one."""
        return text.removeprefix(begun)


@dataclass(frozen=True)
class Sglang(Vllm):
    """SGLang: an adapter is `base:` and its name; the name alone, though it is in the list of models, gets the base."""

    def body(self, body: dict[str, Any], adapter: str | None) -> dict[str, Any]:
        """A request's body, asking for an adapter, or for the base."""
        return body | {"model": f"{BASE}:{adapter}" if adapter else BASE}


ENGINES: dict[str, type[Vllm]] = {"vllm": Vllm, "llama-server": LlamaServer, "sglang": Sglang}


def kind_of(adapters: Sequence[str] | None, models: Sequence[Mapping[str, Any]]) -> str:
    """Of `ENGINES`, the one that lists these `llama_cpp_adapters` and models of OpenAI's interface."""
    if adapters is not None:
        return "llama-server"
    return "sglang" if any(row.get("owned_by") == "sglang" for row in models) else "vllm"


def llama_cpp_adapters(client: httpx.Client, url: str) -> list[str] | None:
    """Names of the adapters of a server of llama.cpp, in its order; None: it is none.

    Raises httpx.HTTPError where nothing answers.
    """
    found = client.get(f"{url}/lora-adapters")
    try:
        return [PurePath(row["path"]).stem for row in found.json()] if found.status_code == 200 else None
    except (ValueError, LookupError, TypeError):
        return None


def adapters_held(engine: str, url: str, names: Sequence[str], key: str | None) -> list[str]:
    """Names of the adapters that an engine holds, in its order.

    Args:
        engine: of `ENGINES`.
        url: where it listens, without /v1.
        names: that it must hold.

    Raises:
        ConfigError: it does not answer, or lacks one or is another engine, and would answer as its base.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(trust_env=False, headers=headers) as client:
            loras = llama_cpp_adapters(client, url)
            models = client.get(f"{url}/v1/models").json()["data"] if loras is None else []
            held = [str(row["id"]) for row in models] if loras is None else loras
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ConfigError(f"--engine-url: {url} does not tell what it holds ({error!r})") from error
    if engine != (found := kind_of(loras, models)):
        raise ConfigError(f"--engine: {url} is no {engine}; choose {found}, or it answers with the base")
    if missing := [name for name in names if name not in held]:
        raise ConfigError(
            f"--engine-url: {url} has no adapter {', '.join(missing)}; it has {', '.join(held) or 'none'}"
        )
    return held


def first_command(
    engines: Sequence[str], base: str | None, folder: Path, packs: Mapping[str, Pack], port: int
) -> tuple[str, list[str]]:
    """The first engine that can be started with these adapters, and `command_of` it; raises ConfigError where none can,
    with what each lacks."""
    lacks = []
    for engine in engines:
        try:
            return engine, command_of(engine, base, folder, packs, port)
        except UserError as error:
            lacks.append(str(error))
    raise ConfigError(lacks)


def llama_program() -> list[str]:
    """What starts llama.cpp's server: its program, or that of the wheel xllamacpp; empty where there is neither."""
    if shutil.which("llama-server") is not None:
        return ["llama-server"]
    return [sys.executable, "-m", "multipl_moe.serve.llama_server"] if find_spec("xllamacpp") is not None else []


def command_of(engine: str, base: str | None, folder: Path, packs: Mapping[str, Pack], port: int) -> list[str]:
    """The command that starts an engine on this machine alone.

    Args:
        engine: of `ENGINES`.
        base: id or folder for vLLM, GGUF file for llama.cpp; None: as pack.json names it, or in `folder`.
        folder: of `export --adapter`.
        packs: by name of the adapter, in the order in which llama.cpp counts them.

    Raises:
        ConfigError: it is not installed, there is no base for it, or it is SGLang, whose options the device decides.
    """
    address = ["--host", "127.0.0.1", "--port", str(port)]
    if engine == "sglang":
        raise ConfigError(f"--engine: start sglang yourself, as {folder / CARD_FILE} says, and give --engine-url")
    if engine == "vllm":
        if shutil.which("vllm") is None:
            raise ConfigError("--engine: vllm is not installed; pip install vllm, or choose llama-server")
        if base is not None and base.endswith(".gguf"):
            raise ConfigError(f"--base: {base} is for llama-server; give vllm a folder or hub id, or leave it out")
        found = base or str(base_of(packs, None)[1])
        rank = served_rank(max(pack.moe.experts.rank for pack in packs.values()))
        sizes = ["--max-loras", str(served_slots(len(packs))), "--max-lora-rank", str(rank)]
        modules = [f"{name}={folder / name}" for name in packs]
        named = ["vllm", "serve", found, "--served-model-name", BASE, "--enable-lora", *sizes]
        return [*named, "--lora-modules", *modules, *address]
    if not (program := llama_program()):
        raise ConfigError("--engine: llama-server is not installed; get llama.cpp, or pip install xllamacpp")
    files = [Path(base)] if base else sorted(folder.glob("base-*.gguf"), key=lambda file: file.stat().st_size)
    if not files or not files[0].is_file():
        raise ConfigError("--base: give the base's GGUF file, or export with --adapter --gguf")
    loras = [part for name in packs for part in ("--lora", str(folder / f"{name}.gguf"))]
    return [*program, "--model", str(files[0]), *loras, *LLAMA_FLAGS, *address]
