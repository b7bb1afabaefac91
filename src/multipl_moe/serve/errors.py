"""Errors as OpenAI's clients expect them: {"error": {"message", "type", "param", "code"}}."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

_CLIENT_IS_GONE = 499


class RequestError(HTTPException):
    """A request that cannot be answered.

    Args:
        status: HTTP status code.
        message: what is wrong and what to do, for the client.
        param: field of the request that is to blame.
        code: OpenAI's name of the error, where it has one.
    """

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(status, message)
        self.param, self.code = param, code


def error_body(error: HTTPException) -> dict[str, Any]:
    """The JSON body of an error."""
    return {
        "error": {
            "message": error.detail,
            "type": "server_error" if error.status_code >= 500 else "invalid_request_error",
            "param": getattr(error, "param", None),
            "code": getattr(error, "code", None),
        }
    }


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(error_body(error), error.status_code, headers=error.headers)


async def _answer_failure(request: Request, error: Exception) -> Response:
    """Of defects: the traceback goes to the log, never to the client."""
    return JSONResponse(error_body(internal_error()), 500, {"Connection": "close"})  # uvicorn does close it then


async def _ignore_departure(request: Request, error: Exception) -> Response:
    return client_is_gone()


HANDLERS: dict[Any, Any] = {
    HTTPException: _answer_error,
    ClientDisconnect: _ignore_departure,
    Exception: _answer_failure,
}


def internal_error() -> RequestError:
    """What a client is told of a defect."""
    return RequestError(500, "internal error; the server's log says more")


def client_is_gone() -> Response:
    """The response that nobody reads."""
    return Response(status_code=_CLIENT_IS_GONE)
