"""In front of an engine that holds adapters: picks base or adapter for each request, and hands the answer through.

An answer's bytes are the engine's own. Where an answer turns to text for which another pick is right, as at a fence,
the engine is asked anew for the rest, with all that was written so far.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from multipl_moe.errors import ConfigError
from multipl_moe.serve.engines import BASE, Vllm
from multipl_moe.serve.guard import guard, refusal
from multipl_moe.serve.picking import AUTO, Pick, Picker, is_auto, require_messages

PICK_HEADER = "x-multipl-moe-pack"
_PATHS = ("/v1/completions", "/v1/chat/completions", "/infill")
_IDLE_S = 1.0  # then a connection is not taken again: engines close theirs after some more, and lose what comes then
_MOST_PICKS = 16  # of one answer
_LOOK_CHARACTERS = 20  # few lines are shorter
_LOOK_SHARE = 0.01  # of the text so far, all of which each look reads
_LINE = re.compile(r".*\n")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
# What reading a body raises that is no request.
_UNREADABLE = (ConfigError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
# Requests whose answer is handed through as it is: several texts, scores, or calls of tools cannot be continued.
_WHOLE = (
    *("logprobs", "top_logprobs", "prompt_logprobs", "n_probs", "echo", "suffix", "best_of", "tools", "functions"),
    *("response_format", "grammar", "json_schema", "structured_outputs"),
    *("guided_json", "guided_regex", "guided_grammar", "guided_choice"),
)


def build_front(
    engine: Vllm,
    url: str,
    picker: Picker,
    *,
    token: str | None,
    host: str = "localhost",
    key: str | None = None,
    on_pick: Callable[[str], None] = lambda told: None,
) -> Starlette:
    """The application; its `state.engine` is the client, which whoever stops it closes first.

    Args:
        engine: how its requests ask for adapters.
        url: where it listens, without /v1.
        picker: of the packs that it holds.
        token, host: as for `guard`.
        key: that the engine asks for.
        on_pick: called with what was picked for a request, and by what, as editors show no headers.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    no_limits = httpx.Limits(keepalive_expiry=_IDLE_S)
    client = httpx.AsyncClient(base_url=url, headers=headers, timeout=None, limits=no_limits, trust_env=False)
    front = _Front(engine, picker, client, on_pick)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    routes = [Route(path, front.answer, methods=["POST"]) for path in _PATHS]
    routes += [Route(path, front.models) for path in ("/v1/models", "/v1/models/{name:path}")]
    routes.append(Route("/health", front.health))
    app = Starlette(routes=routes, lifespan=lifespan)
    guard(app, token, host)
    app.state.engine = client
    return app


@dataclass
class _Front:
    engine: Vllm
    picker: Picker
    client: httpx.AsyncClient
    on_pick: Callable[[str], None]

    async def health(self, request: Request) -> Response:
        try:
            found = await self.client.get("/health")
        except httpx.HTTPError as error:
            return refusal(f"the engine does not answer ({self._why(error)})", 503)
        return Response(found.content, found.status_code, media_type=found.headers.get("content-type"))

    async def models(self, request: Request) -> Response:
        names, asked, now = [AUTO, BASE, *self.picker.languages], request.path_params.get("name"), int(time.time())
        try:
            self.picker.pick(asked, None, "")
        except ConfigError as error:
            return refusal(str(error), 404)
        wanted = [asked] if asked else names
        rows = [{"id": name, "object": "model", "created": now, "owned_by": "multipl-moe"} for name in wanted]
        return JSONResponse(rows[0] if asked else {"object": "list", "data": rows})

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        try:
            body = await request.json()
            if not isinstance(body, dict):
                raise ConfigError("the request is no JSON object")
            told, language = body.pop("model", None), body.pop("language", None)
            if not all(value is None or isinstance(value, str) for value in (told, language)):
                raise ConfigError("model, language: give names")
            is_told = bool(language) or not is_auto(told)
            is_chat = not is_told and path == "/v1/chat/completions"
            goes_on = is_chat and bool(require_messages(body)) and self.engine.goes_on(body)
            text = "" if is_told else self.picker.prompt_of(path, body, goes_on=goes_on)
            pick = await run_in_threadpool(self.picker.pick, told, language, text)
        except ClientDisconnect:
            return refusal("the request broke off")
        except _UNREADABLE as error:
            told = str(error) if isinstance(error, ConfigError) else f"the request cannot be read ({error!r})"
            return refusal(told)
        asked = _Asked(path, body, text, pick)
        self._tell(asked)
        try:
            if body.get("stream"):
                return await self._stream(asked)
            return await _while_there(request, self._whole(asked))
        except ValueError as error:  # what JSON cannot say
            return refusal(f"the request is none that an engine can read ({error})")
        except httpx.HTTPError as error:
            return refusal(f"the engine does not answer ({self._why(error)})", 502)

    async def _whole(self, asked: "_Asked") -> Response:
        found = await self._send(asked)
        usage: dict[str, int] = {}
        while asked.may_switch:
            answer = _answer_of(found)
            text = self._written(asked, answer)
            place = await self._switch(asked, text)
            is_end = place is not None and place[0] == len(text) and _ends(answer)
            rest = None if place is None or is_end else self._continued(asked, text[: place[0]], place[1])
            following = rest and await self._send(rest)
            if not (rest and following and _answer_of(following)):
                break
            _add_usage(usage, answer)
            asked, found = rest, following
            self._tell(asked)
        if asked.answer:
            answer = _answer_of(found)
            _add_usage(usage, answer)
            _put(answer, asked.answer + self._written(asked, answer))
            answer["usage"] = usage or answer.get("usage")
            return JSONResponse(answer, headers=asked.headers)
        return Response(found.content, found.status_code, asked.headers, found.headers.get("content-type"))

    async def _stream(self, asked: "_Asked") -> Response:
        first = await self._send(asked, stream=True)
        if first.status_code != 200:
            content = await first.aread()
            await first.aclose()
            return Response(content, first.status_code, asked.headers, first.headers.get("content-type"))
        kind = first.headers.get("content-type")
        return StreamingResponse(self._events(asked, first), headers=asked.headers, media_type=kind)

    async def _events(self, asked: "_Asked", stream: httpx.Response) -> AsyncIterator[bytes]:
        """The engine's events, byte for byte; of an answer that is continued, without its second beginning."""
        try:
            while True:
                rest, told = None, ""
                async for line in _lines(stream):
                    event = _event(line) if asked.may_switch else {}  # one without choices ends: it is passed on
                    new = _text_of(event)
                    if asked.answer and not new and not _ends(event):
                        continue
                    yield line
                    told += new
                    is_open = "\n" in new and not _ends(event)
                    place = await self._switch(asked, told) if is_open else None
                    if place and (rest := self._continued(asked, told, place[1])):
                        break
                await stream.aclose()
                if rest is None:
                    return
                yield b"\n"  # the event's end
                asked = rest
                stream = await self._send(asked, stream=True)
                if stream.status_code != 200:
                    raise httpx.HTTPError((await stream.aread()).decode(errors="replace"))
                self._tell(asked)
        except httpx.HTTPError as error:
            yield b"data: " + refusal(f"the engine does not go on ({self._why(error)})").body + b"\n\n"
        finally:
            await stream.aclose()

    async def _switch(self, asked: "_Asked", answer: str) -> tuple[int, Pick] | None:
        """The end of the first line of an answer after which another pick is right, and that pick."""
        for end in looks(answer, asked.seen, len(asked.prompt) + len(asked.answer)):
            asked.seen = end
            if asked.may_stop_after(answer[:end]):
                continue
            pick = await run_in_threadpool(self.picker.pick, None, None, asked.prompt + asked.answer + answer[:end])
            if pick.adapter != asked.pick.adapter and len(asked.picks) < _MOST_PICKS:
                return end, pick
        return None

    def _written(self, asked: "_Asked", answer: dict[str, Any]) -> str:
        text = _text_of(answer)
        return self.engine.written(text, asked.answer) if "messages" in asked.body else text

    def _continued(self, asked: "_Asked", text: str, pick: Pick) -> "_Asked | None":
        """The request for what follows some new text of the answer; None: no token is left to write."""
        answer, body = asked.answer + text, dict(asked.first)
        written = len(self.picker.gates.tokenizer(answer, add_special_tokens=False)["input_ids"])
        for key in ("max_tokens", "max_completion_tokens", "n_predict"):
            if isinstance(limit := body.get(key), int) and limit > 0:
                if limit <= written:
                    return None
                body[key] = limit - written
        if asked.path == "/v1/completions":
            body["prompt"] = asked.prompt + answer
        else:
            body = self.engine.continued(body, answer)
        return replace(asked, body=body, pick=pick, answer=answer, seen=0)

    def _tell(self, asked: "_Asked") -> None:
        goes_on = "goes on with " if len(asked.picks) > 1 else ""
        self.on_pick(f"{asked.path}: {goes_on}{asked.pick.name}, by {asked.pick.by}")

    def _why(self, error: httpx.HTTPError) -> str:
        return "the server is stopping" if self.client.is_closed else str(error) or type(error).__name__

    async def _send(self, asked: "_Asked", *, stream: bool = False) -> httpx.Response:
        if self.client.is_closed:
            raise httpx.ConnectError("")
        body = self.engine.body(asked.body, asked.pick.adapter)
        return await self.client.send(self.client.build_request("POST", asked.path, json=body), stream=stream)


@dataclass
class _Asked:
    """A request.

    Attributes:
        body: for the engine, but for the adapter.
        prompt: what the gates read before the answer.
        pick: for what comes next.
        answer: what was written before `body` was asked.
        seen: how much of what was written since was looked at for fences.
        first: the body as the client sent it.
        picks: names of all picks so far.
    """

    path: str
    body: dict[str, Any]
    prompt: str
    pick: Pick
    answer: str = ""
    seen: int = 0
    first: dict[str, Any] = field(default_factory=dict)
    picks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.first = self.first or self.body
        self.picks = (*self.picks, self.pick.name)

    @property
    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        return {PICK_HEADER: f"{' '.join(self.picks)}; by {self.pick.by}"}

    @property
    def may_switch(self) -> bool:
        """Whether the pick is the gates' own, and the answer one text that can be continued."""
        given = (self.first.get(key) for key in _WHOLE)
        whole = any(value is not None and value is not False for value in given) or (self.first.get("n") or 1) != 1
        if whole or self.pick.by != "text" or self.path == "/infill":
            return False
        if self.path == "/v1/completions":
            return isinstance(self.first.get("prompt"), str)
        messages = self.first.get("messages")  # objects, as the gates could read them
        return bool(messages) and messages[-1].get("role") != "assistant"  # else the client began the answer

    def may_stop_after(self, text: str) -> bool:
        """Whether a stop string may have begun at the end of a text: no engine would see both its ends."""
        given = self.first.get("stop")
        stops = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        begun = (stop[:length] for stop in stops if isinstance(stop, str) for length in range(1, len(stop)))
        return text.endswith(tuple(begun))


def looks(answer: str, seen: int = 0, before: int = 0) -> Iterator[int]:
    """Where the gates look at an answer again, after `seen`: at the end of each line with a fence, and of others now
    and then, less often in a long text; `before` characters stand before the answer."""
    for line in _LINE.finditer(answer, seen):
        enough = max(_LOOK_CHARACTERS, _LOOK_SHARE * (before + line.end()))
        if _FENCE.match(line[0]) or line.end() - seen >= enough:
            seen = line.end()
            yield seen


async def _while_there(request: Request, answering: Coroutine[Any, Any, Response]) -> Response:
    """The answer, which ends where the client hangs up: an engine would write on to the last token."""
    answer, gone = asyncio.ensure_future(answering), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else refusal("the client hung up")  # what comes after a body is the end
    finally:
        answer.cancel()
        gone.cancel()


async def _lines(stream: httpx.Response) -> AsyncIterator[bytes]:
    """Lines with their ends, as they come; what is left at last, too."""
    rest = b""
    async for piece in stream.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _event(line: bytes) -> dict[str, Any]:
    """What a line of a stream has for a client; empty where it has nothing that can be read."""
    match = re.match(rb"data:\s*(\{.*)", line)
    return _parsed(match[1]) if match else {}


def _answer_of(response: httpx.Response) -> dict[str, Any]:
    """An answer with a text or a message; empty where it is none, or cannot be read."""
    answer = _parsed(response.content) if response.status_code == 200 else {}
    choice = _choice(answer)
    return answer if isinstance(choice.get("message"), dict) or isinstance(choice.get("text"), str) else {}


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _text_of(answer: dict[str, Any]) -> str:
    """New text of an answer or of an event, of completions or of chats."""
    choice = _choice(answer)
    part = choice.get("message") or choice.get("delta")
    text = choice.get("text") or (part.get("content") if isinstance(part, dict) else None)
    return text if isinstance(text, str) else ""


def _ends(event: dict[str, Any]) -> bool:
    return bool(_choice(event).get("finish_reason")) or not event.get("choices")


def _put(answer: dict[str, Any], text: str) -> None:
    choice = _choice(answer)
    part, key = (choice["message"], "content") if isinstance(choice.get("message"), dict) else (choice, "text")
    part[key] = text


def _add_usage(usage: dict[str, int], answer: dict[str, Any]) -> None:
    told = answer.get("usage")
    for key, value in told.items() if isinstance(told, dict) else ():
        if isinstance(value, int):
            usage[key] = usage.get(key, 0) + value
