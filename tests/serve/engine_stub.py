"""What stands in for an engine with adapters, which writes scripted text a few characters at a time, and for gates."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from multipl_moe.gate import Opened

LANGUAGES = {"systems": ["rust", "go"], "ml": ["ocaml"]}  # by name of the pack
Writer = Callable[[str, dict[str, Any]], str]


class GatesStub:
    """Opens a pack after a fence that names its language, until it closes, and after `fn `."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def after(self, text: str, *, at_once: bool) -> dict[str, Opened]:
        assert at_once
        fences = [line for line in text.splitlines(keepends=True) if line.startswith("```") and line.endswith("\n")]
        named = fences[-1].strip("`\n") if len(fences) % 2 else ""
        opened = {
            name: named in known or (name == "systems" and not fences and "fn " in text)
            for name, known in LANGUAGES.items()
        }
        return {name: Opened(float(is_open), 0 if is_open else None) for name, is_open in opened.items()}


class EngineStub:
    """An engine in the form of one of `ENGINES`.

    Args:
        adapters: it has.
        write: what it answers, by the name of the adapter asked for, or `base`, and the body.
        scores: log-probabilities of the likeliest tokens after a prompt, by the same name and the prompt.
        kind: in whose form it takes adapters and tells log-probabilities.
        delay_s: before a whole answer, and before each piece of a streamed one.

    Attributes:
        asked: what was asked for, each with its body.
        stopped: what was asked for whole by clients that hung up meanwhile.
    """

    def __init__(
        self,
        adapters: list[str],
        write: Writer = lambda name, body: f"written by {name}",
        scores: Callable[[str, str], dict[str, float]] | None = None,
        *,
        kind: str = "vllm",
        delay_s: float = 0.0,
    ) -> None:
        self.adapters, self.write, self.scores, self.kind, self.delay_s = adapters, write, scores, kind, delay_s
        self.llama_cpp = kind == "llama-server"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.stopped: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/health", lambda request: JSONResponse({"status": "ok"})),
                Route("/v1/models", self._models),
                Route("/lora-adapters", self._loras),
                Route("/v1/completions", self._answer, methods=["POST"]),
                Route("/v1/chat/completions", self._answer, methods=["POST"]),
                Route("/infill", self._answer, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        names = ["model.gguf"] if self.llama_cpp else ["base", *self.adapters]
        return JSONResponse({"data": [{"id": name, "owned_by": self.kind} for name in names]})

    async def _loras(self, request: Request) -> Response:
        if not self.llama_cpp:
            return Response(status_code=404)
        return JSONResponse([{"id": i, "path": f"/x/{name}.gguf", "scale": 0} for i, name in enumerate(self.adapters)])

    def _name(self, body: dict[str, Any]) -> str:
        if self.kind == "sglang":
            return body["model"].partition(":")[2] or "base"  # the base, whatever name was given
        if not self.llama_cpp:
            return body["model"]
        on = [self.adapters[row["id"]] for row in body["lora"] if row["scale"] == 1.0]
        assert len(on) < 2
        return on[0] if on else "base"

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        name = self._name(body)
        self.asked.append((name, body))
        chat, text = "messages" in body, self.write(name, body)
        if body.get("logprobs"):
            assert self.scores is not None
            likely = self.scores(name, body["prompt"])
            rows = [{"token": token, "logprob": value} for token, value in likely.items()]
            logprobs = {"content": [{"top_logprobs": rows}]} if self.llama_cpp else {"top_logprobs": [likely]}
            return JSONResponse({"choices": [{"text": text, "logprobs": logprobs}]})
        if body.get("stream"):
            return StreamingResponse(self._events(text, chat), media_type="text/event-stream")
        gone = asyncio.ensure_future(request.receive())
        if (await asyncio.wait({gone}, timeout=self.delay_s))[0]:
            self.stopped.append(name)
        gone.cancel()
        last = body["messages"][-1] if chat else {}
        if self.llama_cpp and isinstance(last, dict) and last.get("role") == "assistant":
            text = last["content"] + text  # as that server does of a whole answer alone
        choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        usage = {"prompt_tokens": 3, "completion_tokens": len(text)}
        return JSONResponse({"choices": [choice | {"finish_reason": "stop"}], "usage": usage})

    async def _events(self, text: str, chat: bool) -> AsyncIterator[bytes]:
        if chat:
            yield _sse({"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}]})
        for piece in re.findall(r"[^\n]{1,5}\n?|\n", text):
            await asyncio.sleep(self.delay_s)
            yield _sse({"choices": [{"delta": {"content": piece}} if chat else {"text": piece}]})
        yield _sse({"choices": [({"delta": {}} if chat else {"text": ""}) | {"finish_reason": "stop"}]})
        yield b"data: [DONE]\n\n"


def _sse(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()
