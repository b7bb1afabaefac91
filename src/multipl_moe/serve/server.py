"""The listening socket and the server's life."""

import contextlib
import re
import socket
from typing import Any

import uvicorn

from multipl_moe.errors import ConfigError
from multipl_moe.serve.app import build_app
from multipl_moe.serve.generation import Engine
from multipl_moe.serve.guard import is_loopback

_STOP_S = 5


def listen(host: str, port: int, token: str | None) -> socket.socket:
    """A socket that listens already, so that a taken port is known before the model is loaded.

    Args:
        host: name or address to bind; one that cannot be bound raises ConfigError.
        port: 0 takes a free one.
        token: the bearer token; without one other machines must not reach the address, or ConfigError is raised.
    """
    if token is not None and not re.fullmatch("[!-~]+", token):
        raise ConfigError("--token: it must have visible ASCII characters and no spaces")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host: {host!r} is no address ({error}); give a name or an IP address") from error
    if token is None and not is_loopback(str(address[0])):
        raise ConfigError(
            f"--token: needed on {host}, which other machines can reach; give one or set MULTIPL_MOE_TOKEN"
        )
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise ConfigError(f"--port: {host}:{port} cannot be used ({error}); choose another --port or --host") from error


def url_of(listener: socket.socket) -> str:
    """The base URL that clients use."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if listener.family == socket.AF_INET6 else f"http://{host}:{port}/v1"


class Server(uvicorn.Server):
    """uvicorn, which when it is told to stop ends the answers that are under way."""

    def __init__(self, engine: Engine, token: str | None) -> None:
        options: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off", "ws": "none"}
        super().__init__(uvicorn.Config(build_app(engine, token), **options, timeout_graceful_shutdown=_STOP_S))
        self._engine = engine

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until Ctrl-C, a termination signal or `should_exit`."""
        try:
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
                super().run(sockets)
        finally:
            self._engine.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, cancel, and wait for the connections to end."""
        self._engine.cancel_all()
        await super().shutdown(sockets)
