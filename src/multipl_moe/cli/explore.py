"""`multipl-moe explore`."""

import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from multipl_judge.extras import install_hint
from multipl_moe.cli.app import console
from multipl_moe.cli.options import require_folders
from multipl_moe.errors import ConfigError


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
    require_folders(model=model)
    if find_spec("gradio") is None:
        raise ConfigError(f"explore: some packages are missing; install them with {install_hint('explore')}")
    with _listening(host, port) as listener:
        import uvicorn

        from multipl_moe.explore.explorer import Explorer
        from multipl_moe.explore.page import build_app
        from multipl_moe.explore.samples import samples_of
        from multipl_moe.packs.compose import model_of

        folder = model_of(model)
        explorer = Explorer.load(folder, base)
        samples = samples_of(folder, explorer.model.config.moe_config, explorer.use)
        app = build_app(explorer, samples, "/".join(model.resolve().parts[-2:]))
        address = f"http://{host}:{listener.getsockname()[1]}"
        console.print(f"the page is at {address}; Ctrl-C stops", soft_wrap=True)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
            uvicorn.Server(config).run([listener])
    console.print("stopped")


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a taken port is known before the model is loaded."""
    try:
        return socket.create_server((host, port))
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--port: {host}:{port} cannot be used ({error}); choose another --port or --host") from error
