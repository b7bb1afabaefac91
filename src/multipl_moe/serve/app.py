"""The HTTP interface: which paths there are and what they answer."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Coroutine
from typing import Any

import torch
from jinja2 import TemplateError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from transformers import BatchEncoding, PreTrainedConfig
from transformers.cli.serving.chat_completion import ChatCompletionHandler
from transformers.cli.serving.completion import CompletionHandler
from transformers.cli.serving.model_manager import ModelManager
from transformers.cli.serving.utils import Modality

from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import TextGenerator
from multipl_moe.serve.errors import HANDLERS, RequestError, client_is_gone, error_body
from multipl_moe.serve.generation import Answer, Engine, OneAnswer
from multipl_moe.serve.guard import Guard
from multipl_moe.serve.schema import ChatRequest, CompletionRequest, GenerationRequest, parse_request

_LEAST_BODY_BYTES = 2**16
_MOST_BODY_BYTES = 2**22
_BODY_BYTES_PER_TOKEN = 32  # several times what a token has in any text that fits


def build_app(engine: Engine, token: str | None) -> Starlette:
    """The application: completions, chat, models and health; all but /health ask for the token, if there is one.

    The routes are listed here and not taken from transformers' `build_server`: that one also loads models by name,
    unloads them and transcribes speech, and may gain more.
    """
    paths = _Paths(engine)
    return Starlette(
        routes=[
            Route("/health", paths.health),
            Route("/v1/models", paths.models),
            Route("/v1/models/{model:path}", paths.model),
            Route("/v1/completions", paths.completions, methods=["POST"]),
            Route("/v1/chat/completions", paths.chat, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers=HANDLERS,
    )


class _Paths:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        fitting = _MOST_BODY_BYTES if engine.max_positions is None else engine.max_positions * _BODY_BYTES_PER_TOKEN
        self._most_bytes = min(max(fitting, _LEAST_BODY_BYTES), _MOST_BODY_BYTES)
        self._card = {"id": engine.name, "object": "model", "created": int(time.time()), "owned_by": "multipl-moe"}

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._card]})

    async def model(self, request: Request) -> Response:
        self._require_served(request.path_params["model"])
        return JSONResponse(self._card)

    async def completions(self, request: Request) -> Response:
        asked = parse_request(CompletionRequest, await _read_body(request, self._most_bytes))
        tokenizer = self._engine.tokenizer
        if asked.suffix is not None:
            tokenizer = _GapTokenizer(self._engine, asked.suffix)
        return await self._answer(request, asked, CompletionHandler, {"prompt": asked.prompt}, "cmpl", tokenizer)

    async def chat(self, request: Request) -> Response:
        asked = parse_request(ChatRequest, await _read_body(request, self._most_bytes))
        if not self._engine.tokenizer.chat_template:
            raise RequestError(400, "this model has no chat template; use /v1/completions")
        messages = [message.model_dump(exclude_none=True) for message in asked.messages]
        body = {"messages": messages}
        return await self._answer(request, asked, ChatCompletionHandler, body, "chatcmpl", self._engine.tokenizer)

    async def _answer(
        self,
        request: Request,
        asked: GenerationRequest,
        handler_class: type[CompletionHandler] | type[ChatCompletionHandler],
        body: dict[str, Any],
        prefix: str,
        tokenizer: Any,
    ) -> Response:
        """Let transformers' handler answer; it cancels streams whose clients go away, the rest is cancelled here."""
        self._require_served(asked.model)
        answer = Answer(self._engine, asked)
        handler = handler_class(_Served(self._engine, tokenizer), OneAnswer(answer))
        work = handler.handle_request(body | {"stream": bool(asked.stream)}, f"{prefix}-{uuid.uuid4().hex}")
        try:
            response = await _unless_gone(request, work)
        except TemplateError as error:
            raise RequestError(400, f"the chat template refuses these messages: {error}", param="messages") from error
        finally:
            if not asked.stream:
                answer.cancel()
        if not isinstance(response, StreamingResponse):
            return response
        return StreamingResponse(_events(response.body_iterator, answer), media_type=response.media_type)

    def _require_served(self, name: str | None) -> None:
        if name not in (None, self._engine.name):
            message = f"model {name!r} is not served here; this server has {self._engine.name!r}"
            raise RequestError(404, message, param="model", code="model_not_found")


class _Served(ModelManager):
    """transformers' source of models, which here holds one, of text alone, and can load no other."""

    def __init__(self, engine: Engine, tokenizer: Any) -> None:
        self.force_model = engine.name
        self._engine, self._tokenizer = engine, tokenizer

    @staticmethod
    def process_model_name(model_id: str) -> str:
        return model_id

    @staticmethod
    def get_model_modality(model: Any, processor: Any = None) -> Modality:
        return Modality.LLM

    def load_model_and_processor(self, *args: Any, **kwargs: Any) -> Any:
        return _Unparsed(self._engine.model), self._tokenizer


class _GapTokenizer:
    """In the tokenizer's place where a request has a suffix, for which transformers' handler does not ask the model."""

    def __init__(self, engine: Engine, suffix: str) -> None:
        self._generator = TextGenerator(engine.model, engine.tokenizer)
        self._suffix = suffix

    def __call__(self, prompt: str, return_tensors: str) -> BatchEncoding:
        try:
            tokens = self._generator.encode_gap(prompt, self._suffix)
        except ConfigError as error:
            raise RequestError(400, str(error), param="suffix") from error
        return BatchEncoding({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)})


class _Unparsed:
    """What transformers' handlers need of a model, without its type.

    By the type, or by the tokenizer's response template, they would take an answer apart into reasoning and tool calls.
    No tools are served here, and what the parser makes of the tokens is not the text that was asked for: it has the
    stop string, and maybe the prompt.
    """

    def __init__(self, model: Any) -> None:
        self.config = PreTrainedConfig()
        self.device, self.generation_config = model.device, model.generation_config


async def _events(chunks: AsyncIterable[Any], answer: Answer) -> AsyncIterator[str]:
    async for chunk in chunks:
        if answer.failure is not None:
            yield f"data: {json.dumps(error_body(answer.failure))}\n\n"
            return
        yield chunk
    yield "data: [DONE]\n\n"


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The response, or an empty one as soon as the client has gone away."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else client_is_gone()
    finally:
        task.cancel()
        gone.cancel()


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _read_body(request: Request, most_bytes: int) -> bytes:
    """The body; one that no prompt can need is refused unread, as splitting it into tokens would hold up everybody."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise RequestError(413, f"the request has more than {most_bytes} bytes; shorten it")
    return bytes(body)
