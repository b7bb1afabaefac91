"""`multipl-moe serve`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import require_folders
from multipl_moe.errors import ConfigError


def serve(
    model: Annotated[Path, typer.Argument(help="Folder of the model to serve, hybrid or dense.")],
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
) -> None:
    """Serve a model over OpenAI's HTTP interface: completions, chat, models.

    One answer is generated at a time; others wait. Traffic is not encrypted: beyond this machine put a proxy with TLS
    in front. Ctrl-C stops the server.

    Example: `multipl-moe serve runs/demo/model --port 8000`
    """
    require_folders(model=model)

    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        raise ConfigError("serve: some packages are missing; install them with pip install -e '.[serve]'")

    from multipl_moe.checkpoints.loading import load_model
    from multipl_moe.generate.text import load_tokenizer
    from multipl_moe.serve.generation import Engine
    from multipl_moe.serve.server import Server, listen, url_of

    with listen(host, port, token) as listener:
        engine = Engine(name or model.resolve().name, load_model(model), load_tokenizer(model))
        console.print(f"serving {engine.name} at {url_of(listener)}; Ctrl-C stops", highlight=False, soft_wrap=True)
        Server(engine, token).run([listener])
    console.print("stopped")
