"""Who may ask: a bearer token, or without one only programs of this machine that name this machine."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from multipl_moe.serve.errors import RequestError, error_body

_OPEN_PATH = "/health"


class Guard:
    """ASGI middleware in front of everything but /health.

    With a token, each request must carry it. Without one the server is bound to a loopback address, and what web pages
    make a browser send is refused: requests whose Host is another name, as a page sends whose name was pointed at this
    machine, and those with another machine's Origin. A browser also sends a page's POST without asking the server
    first, unless it has a type of content that no form has; so only JSON is taken.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 401, 403 or 415."""
        if scope["type"] == "http" and scope["path"] != _OPEN_PATH:
            headers = Headers(scope=scope)
            refusal = self._refusal(headers)
            if refusal is None and scope["method"] == "POST" and not _is_json(headers.get("content-type", "")):
                refusal = RequestError(415, "send JSON, with the header Content-Type: application/json")
            if refusal is not None:
                added = {"WWW-Authenticate": "Bearer"} if refusal.status_code == 401 else None
                await JSONResponse(error_body(refusal), refusal.status_code, added)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> RequestError | None:
        if self._token is None:
            if not _names_this_machine(headers.get("host", "")):
                return RequestError(403, "this host name is not served; start the server with --token to allow any")
            origin = headers.get("origin")
            if origin is not None and not _names_this_machine(origin.partition("://")[2]):
                return RequestError(403, "other machines' pages are not served; start the server with --token for them")
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return None
        return RequestError(401, "give the server's token as `Authorization: Bearer TOKEN`", code="invalid_api_key")


def is_loopback(address: str) -> bool:
    """Whether an IP address, maybe with a zone, is this machine's own."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
