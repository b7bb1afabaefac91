"""Who may ask a server: those with its token, or without one programs of this machine, but no pages of other sites.

And what those get whom it cannot answer.
"""

import hmac
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse


def guard(app: Starlette, token: str | None, host: str) -> None:
    """Refuse requests, except to /health, without the token. Without one the Host header must be this machine's.

    Args:
        app: to add to; refusals are as OpenAI's clients read them.
        token: None: `host` and this machine's own names are all that the header may say, so that no page of another
            site reaches the server by pointing its name here.
        host: on which it listens.
    """
    app.add_exception_handler(HTTPException, _refusal)
    app.add_exception_handler(Exception, _failed)
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if token is None else ["*"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    if token is not None:
        app.add_middleware(_AskForToken, token=token)


def refusal(message: str, status: int = 400) -> JSONResponse:
    """An error as OpenAI's clients read it."""
    return JSONResponse({"error": {"message": message}}, status)


async def _refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return refusal(error.detail, error.status_code)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """uvicorn closes the connection after it; a client that is not told so may send its next request into it."""
    answer = refusal("the server failed on this request; its log says why", 500)
    answer.headers["Connection"] = "close"
    return answer


class _AskForToken:
    """ASGI's own form, which passes streams through as they come."""

    def __init__(self, app: Any, token: str) -> None:
        self.app, self.right = app, f"bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            kind, _, key = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(kind.lower() + b" " + key, self.right):
                await refusal("give the server's token as API key", 401)(scope, receive, send)
                return
        await self.app(scope, receive, send)
