"""The server of `transformers serve` for one loaded model, with more kinds of completions."""

import time
from collections.abc import AsyncIterator, Sequence
from queue import Queue
from types import SimpleNamespace
from typing import Any, cast

import torch
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from jinja2 import TemplateError
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from transformers.cli.serving.chat_completion import (
    ChatCompletionHandler,
    TransformersCompletionCreateParamsStreaming,
)
from transformers.cli.serving.completion import CompletionHandler
from transformers.cli.serving.model_manager import EngineClient, ModelManager
from transformers.cli.serving.server import build_server
from transformers.cli.serving.utils import GenerateRunner

from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import COLDEST, TextGenerator, decoding_context, told_language
from multipl_moe.serve.guard import guard, refusal

_NEUTRAL = {"n": 1, "best_of": 1, "presence_penalty": 0}  # transformers ignores other values in silence
_KINDS: dict[str, tuple[type, ...]] = {  # of what a request may have; transformers fails on others
    "temperature": (int, float),
    "top_p": (int, float),
    "frequency_penalty": (int, float),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "seed": (int,),
    "n": (int,),
    "logprobs": (int, bool),
    "stream": (bool,),
    "stop": (str, list),
    "model": (str,),
    "language": (str,),
    "suffix": (str,),
    "logit_bias": (dict,),
    "stream_options": (dict,),
    "tools": (list,),
}
_NUM_NEW = ("max_tokens", "max_completion_tokens")  # of a chat the later one counts
_ROLES = ("system", "user", "assistant", "tool")  # chat templates leave out others, or take them for one of these
_HOTTEST = 100  # of temperatures: at it all tokens are as good as equally likely
_USUAL_TOKENS = 1024  # of an answer, if a request gives no max_tokens
MOST_SCORES = 2**29  # tokens of a prompt times those of the vocabulary: all scores are in memory at once


def build_app(name: str, model: Any, tokenizer: Any, *, token: str | None, host: str = "localhost") -> FastAPI:
    """transformers' application, without its paths that load models by name, unload them or serve other kinds.

    Args:
        name, model, tokenizer: from now on the model samples, except at temperature 0. Chat needs a chat template.
        token, host: as for `guard`.

    Its `state.stop()` ends all answers under way.
    """
    if not model.generation_config.do_sample:  # transformers' handlers never turn it on, whatever the temperature
        model.generation_config.update(do_sample=True, top_k=0)
    held = _OneModel(name, model, tokenizer)
    state = held.generation_state
    none = cast(Any, None)  # for other kinds of requests, which are not served
    app = build_server(held, _Chats(held, state), _Completions(held, state), none, none, none)
    app.state.stop = held.stop
    paths = {"/health", "/v1/models", "/v1/completions", *(["/v1/chat/completions"] if tokenizer.chat_template else [])}
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) in paths]
    # Bytes; all other requests wait while they are split into tokens. Inside transformers' own, which loses a refusal.
    app.user_middleware.append(Middleware(RequestBodyLimitMiddleware, max_body_size=2**22))
    for kind in (ValueError, TypeError, LookupError, AttributeError, TemplateError):
        app.add_exception_handler(kind, _unanswerable)
    app.add_exception_handler(RequestValidationError, _no_body)
    guard(app, token, host)
    return app


async def _unanswerable(request: Any, error: Exception) -> Any:
    """A body that transformers' handlers do not expect; unanswered, it would cost its client the next request."""
    return refusal(f"this request cannot be answered ({error!r})")


async def _no_body(request: Any, error: Exception) -> Any:
    """FastAPI's own answer has another form than OpenAI's, which clients read."""
    assert isinstance(error, RequestValidationError)
    return refusal("; ".join(f"body: {one['msg']}" for one in error.errors()), 422)


class _Thread:
    """In place of the queue to a process of the model's own, with which transformers serves: a thread of this one."""

    def __init__(self, model: Any, tokenizer: Any, results: Queue) -> None:
        self._runner = GenerateRunner(model, tokenizer, lambda *told: results.put(told))

    def put(self, asked: tuple) -> None:
        method, request_id, *args = asked
        getattr(self._runner, method)(request_id, *args)


class _OneModel(ModelManager):
    """transformers' source of models, with a single one, which is loaded."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name, self.model, self.tokenizer = name, model, tokenizer
        loader = SimpleNamespace(
            load_config=lambda model_id: (model.config, model.generation_config),
            load_processor=lambda model_id: tokenizer,
        )
        self._results: Queue = Queue()
        thread = _Thread(model, tokenizer, self._results)
        super().__init__(cast(Any, loader), force_model=name, engine_connection=(thread, self._results, 0))
        self.get_engine(name).model_id = name  # transformers adds a revision
        sizes = model.config.get_text_config()
        self.token_ids = range(sizes.vocab_size)
        self.longest = getattr(sizes, "max_position_embeddings", 2**31)

    async def stop(self) -> None:
        engine, stopping = self.get_engine(self.name), HTTPException(503, "the server is stopping")
        for request_id in list(engine.pending_requests):
            engine.requests_queue.put(("cancel", request_id))
            self._results.put(([], [], [(request_id, stopping)]))


class _ChatParams(TransformersCompletionCreateParamsStreaming, total=False):
    language: str


class _Chats(ChatCompletionHandler):
    """transformers' handler, with `language`; question and answer fit the model's positions."""

    _valid_params_class = _ChatParams
    model_manager: _OneModel

    async def handle_request(self, body: dict, request_id: str) -> Any:
        body = _checked(body)
        _require_messages(body.get("messages"))
        return _with_end(await super().handle_request(body, request_id))

    def render_messages(self, engine: EngineClient, messages: list[dict], body: dict) -> dict:
        held = self.model_manager
        num_new = next((body[key] for key in _NUM_NEW[::-1] if body.get(key) is not None), _USUAL_TOKENS)
        try:
            told = told_language(held.model.config, body.get("language"))
            if num_new == 0:
                raise ConfigError("max_tokens: no tokens leave no answer; leave it out")
        except ConfigError as error:
            raise HTTPException(400, str(error)) from error
        inputs = super().render_messages(engine, messages, body)
        room = held.longest - (length := inputs["input_ids"].shape[1])
        if room < 1:
            what = f"messages: they have {length} tokens, of a maximum context length of {held.longest}"
            raise HTTPException(400, what)
        body["max_completion_tokens"] = min(num_new, room)  # read by the handler after this
        return {**inputs, **told}


class _Completions(CompletionHandler):
    """transformers' handler, with `suffix` (fill in the middle), `language`, token ids, and scores of prompts."""

    model_manager: _OneModel

    async def handle_request(self, body: dict, request_id: str) -> Any:
        body = _checked(body)
        suffix, language, echo, given = (body.pop(key, None) for key in ("suffix", "language", "echo", "prompt"))
        self._validate_request(body)
        is_list = isinstance(given, list) and not all(isinstance(token, int) for token in given)
        neutral = _NEUTRAL | ({"stream": False} if echo else {"logprobs": None})
        try:
            several = given if is_list else [given]
            prompts = [self._encode(prompt, suffix, language, is_scored=bool(echo)) for prompt in several]
            if (not echo and len(prompts) != 1) or any(body.get(key) not in (None, neutral[key]) for key in neutral):
                raise ConfigError(f"a request gets one answer to one prompt, and no {', '.join(neutral)}")
            return await (self._score(body, prompts, request_id) if echo else self._write(body, prompts[0], request_id))
        except ConfigError as error:
            raise HTTPException(400, str(error)) from error

    def _encode(self, prompt: Any, suffix: str | None, language: str | None, *, is_scored: bool) -> dict[str, Any]:
        """Its tokens, and what is told to the gate; of what is scored the head says nothing, as for a model alone."""
        held = self.model_manager
        head = prompt if isinstance(prompt, str) and not is_scored else ""
        generator, told = TextGenerator(held.model, held.tokenizer), told_language(held.model.config, language, head)
        if isinstance(prompt, str):
            tokens = generator.encode(prompt, chat=False) if suffix is None else generator.encode_gap(prompt, suffix)
        elif (
            suffix is None and isinstance(prompt, list) and all(type(i) is int and i in held.token_ids for i in prompt)
        ):
            tokens = torch.tensor([prompt], dtype=torch.long, device=held.model.device)
        else:
            raise ConfigError("prompt: give a text, or without a suffix the ids of tokens that this model has")
        if not 0 < tokens.shape[1] < held.longest:
            raise ConfigError(f"prompt: it has {tokens.shape[1]} tokens, of a maximum context length of {held.longest}")
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)} | told

    async def _write(self, body: dict, prompt: dict[str, Any], request_id: str) -> Any:
        held = self.model_manager
        stop = body.get("stop") or []
        stops = [stop] if isinstance(stop, str) else stop
        num_new = body.get("max_tokens", _USUAL_TOKENS)
        if num_new == 0:
            raise ConfigError("max_tokens: no tokens leave no answer; leave it out")
        engine, ids = held.get_engine(body.get("model")), prompt["input_ids"][0].tolist()
        asked = body | {"stop": stops or None, "max_tokens": min(num_new or _USUAL_TOKENS, held.longest - len(ids))}
        options = self._build_generation_kwargs(asked, engine.generation_config)
        if body.get("stream"):
            return _with_end(self._streaming(request_id, engine, prompt, options, None, body.get("stream_options")))

        async def generated(inputs: dict, options: dict) -> tuple[str, int, list[int]]:
            _, num_prompt, new = await engine.generate_non_streaming(inputs, options)
            return _text_after(held.tokenizer, ids, new, stops), num_prompt, new

        one: Any = SimpleNamespace(model_id=engine.model_id, generate_non_streaming=generated)
        return await self._non_streaming(request_id, one, prompt, options)

    async def _score(self, body: dict, prompts: list[dict[str, Any]], request_id: str) -> JSONResponse:
        """The log-probability of every token but the first, and of the likeliest in its place."""
        held = self.model_manager
        num_top, num_new = body.get("logprobs"), body.get("max_tokens")
        engine = held.get_engine(body.get("model"))
        if num_top is True or num_top not in range(1, 6) or num_new not in (0, 1):
            raise ConfigError("echo: it goes with logprobs from 1 to 5, and max_tokens 0 or 1")
        if (most := MOST_SCORES // len(held.token_ids)) < max(prompt["input_ids"].shape[1] for prompt in prompts):
            raise ConfigError(f"prompt: at most {most} tokens of this model can be scored at once")
        scored = [await engine.submit(_scored_prompt, prompt, num_top, num_new) for prompt in prompts]
        choices = [one | {"index": index} for index, one in enumerate(scored)]
        head = {"id": request_id, "object": "text_completion", "created": int(time.time()), "model": held.name}
        return JSONResponse(head | {"choices": choices})


def _text_after(tokenizer: Any, prompt: list[int], new: Sequence[int], stops: Sequence[str]) -> str:
    """The text of `new` tokens up to any stop string, at which transformers ends an answer but leaves it in.

    Some tokenizers leave out a text's first space, so they are decoded after tokens of the prompt, which are cut off.
    """
    context = decoding_context(tokenizer, prompt)
    whole = tokenizer.decode([*context, *new], skip_special_tokens=True)
    text = whole[len(tokenizer.decode(context, skip_special_tokens=True)) :]
    return min((text.partition(stop)[0] for stop in stops), key=len, default=text)


def _with_end(response: Any) -> Any:
    """A stream with OpenAI's last event, which transformers leaves out and some clients wait for."""

    async def events(all_but_last: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for event in all_but_last:
            yield event
        yield "data: [DONE]\n\n"

    if isinstance(response, StreamingResponse):
        response.body_iterator = events(cast(Any, response.body_iterator))
    return response


def _checked(body: dict) -> dict:
    """A request whose values can be answered; below `COLDEST` its temperature is 0, as for `TextGenerator`.

    Raises HTTPException with all values of another type than a request may have.
    """
    wrong = [
        f"{key}: {value!r} is not {' or '.join(kind.__name__ for kind in kinds)}"
        for key, kinds in _KINDS.items()
        if (value := body.get(key)) is not None
        and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds))
    ]
    wrong += [f"{key}: {body[key]} is below 0" for key in _NUM_NEW if not wrong and (body.get(key) or 0) < 0]
    stop, bias = body.get("stop"), body.get("logit_bias")
    if stop == "" or (isinstance(stop, list) and not all(isinstance(text, str) and text for text in stop)):
        wrong.append("stop: give texts; an empty one leaves no answer")
    if isinstance(bias, dict) and not all(
        token.isdecimal() and isinstance(value, int | float) for token, value in bias.items()
    ):
        wrong.append("logit_bias: give numbers by the ids of tokens")
    temperature = body.get("temperature") or 0
    if not wrong and not 0 <= temperature <= _HOTTEST:
        wrong.append(f"temperature: {temperature} is below 0 or above {_HOTTEST}")
    if not wrong and not 0 < (1 if (top_p := body.get("top_p")) is None else top_p) <= 1:
        wrong.append(f"top_p: {body['top_p']} is not above 0 and at most 1")
    if wrong:
        raise HTTPException(400, "; ".join(wrong))
    if bias is not None:
        body = body | {"logit_bias": {token: float(value) for token, value in bias.items()} or None}
    return body | {"stop": stop or None} | ({"temperature": 0} if 0 < temperature < COLDEST else {})


def _require_messages(messages: Any) -> None:
    """Raise HTTPException where a template would leave out what is said, or fail."""
    if not isinstance(messages, list) or not messages:
        raise HTTPException(400, 'messages: give a list, as [{"role": "user", "content": "Hello"}]')
    for number, message in enumerate(messages):
        told = message if isinstance(message, dict) else {}
        content = told.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        is_said = isinstance(parts, list) and all(
            isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
            for part in parts
        )
        if told.get("role") not in _ROLES:
            raise HTTPException(400, f"messages[{number}].role: give one of {', '.join(_ROLES)}")
        if not is_said and not (told.get("tool_calls") and isinstance(told["tool_calls"], list)):
            raise HTTPException(400, f"messages[{number}].content: give a text, or a list of parts of type text")


@torch.inference_mode()
def _scored_prompt(model: Any, tokenizer: Any, prompt: Any, num_top: int, num_new: int) -> dict[str, Any]:
    """A choice of OpenAI's completions: log-probabilities of each token but the first, and of `num_top` likeliest ones.

    Args:
        prompt: inputs of the model, one row.
        num_new: 1: the likeliest token after the prompt counts, too.
    """
    scores_TV = model(**prompt, use_cache=False).logits[0].float().log_softmax(-1)
    tokens_T = torch.cat([prompt["input_ids"][0], scores_TV[-1:].argmax(-1)[:num_new]])
    scores_TV = scores_TV[: len(tokens_T) - 1]
    values, tokens = (best.flip(1).tolist() for best in scores_TV.topk(num_top))  # of two alike names the better counts
    tops = [dict(zip(map(tokenizer.decode, t), v, strict=True)) for t, v in zip(tokens, values, strict=True)]
    logprobs = {
        "tokens": list(map(tokenizer.decode, tokens_T.tolist())),
        "token_logprobs": [None, *scores_TV.gather(1, tokens_T[1:, None])[:, 0].tolist()],
        "top_logprobs": [None, *tops],
    }
    return {"text": tokenizer.decode(tokens_T), "finish_reason": "length", "logprobs": logprobs}
