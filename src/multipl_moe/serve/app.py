"""What `transformers serve` starts, for one model that is loaded already, with completions that can more."""

import copy
import hmac
import time
from functools import partial
from typing import Any, cast

import torch
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from transformers import BatchEncoding
from transformers.cli.serving.chat_completion import ChatCompletionHandler
from transformers.cli.serving.completion import CompletionHandler
from transformers.cli.serving.model_manager import ModelManager, TimedModel
from transformers.cli.serving.server import build_server
from transformers.cli.serving.utils import GenerationState

from multipl_moe.errors import ConfigError
from multipl_moe.generate.context import decoding_context
from multipl_moe.generate.text import TextGenerator, told_language

_NEUTRAL = {"n": 1, "best_of": 1, "presence_penalty": 0}  # other values transformers drops in silence
MOST_SCORES = 2**29  # of tokens of a prompt times those of the vocabulary, which are all held at once


def build_app(name: str, model: Any, tokenizer: Any, *, token: str | None, host: str = "localhost") -> FastAPI:
    """transformers' application, without its paths that load models by name, unload them or want other kinds.

    Args:
        name, model, tokenizer: the model draws from now on, but at a temperature of 0; no chat without a chat template.
        token: what every request but for /health must carry. Without one only `host` and this machine's own names are
            answered: a page of another site, whose name was pointed at this machine, brings that name.
    """
    if not model.generation_config.do_sample:  # transformers' handlers change that for no temperature
        model.generation_config.update(do_sample=True, top_k=0)
    held, state, none = _OneModel(name, model, tokenizer), GenerationState(), cast(Any, None)
    app = build_server(held, ChatCompletionHandler(held, state), _Completions(held, state), none, none, none, state)
    paths = {"/health", "/v1/models", "/v1/completions", *(["/v1/chat/completions"] if tokenizer.chat_template else [])}
    app.add_exception_handler(HTTPException, cast(Any, _refusal))
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) in paths]
    app.max_body_size = 2**22  # bytes; it is split into tokens while all others wait
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if token is None else ["*"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    @app.middleware("http")
    async def ask_for_token(request: Request, go_on: Any) -> Any:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        sent, right = f"{scheme.lower()} {key}".encode(), f"bearer {token}".encode()
        if token is None or hmac.compare_digest(sent, right) or request.scope["path"] == "/health":
            return await go_on(request)
        return await _refusal(request, HTTPException(401, "give the server's token as API key"))

    return app


async def _refusal(request: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": {"message": error.detail}}, error.status_code)  # as OpenAI's clients read it


class _OneModel(ModelManager):
    """transformers' source of models, which here holds one and loads none, whatever a request names."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.force_model, self.model, self.tokenizer = name, model, tokenizer
        self.process_model_name = lambda model_id: model_id  # it has no revision
        self.loaded_models[name] = TimedModel(model, -1, tokenizer)  # so that it is listed as loaded
        sizes = model.config.get_text_config()
        self.token_ids, self.longest = range(sizes.vocab_size), getattr(sizes, "max_position_embeddings", 2**31)

    def load_model_and_processor(self, *args: Any, **options: Any) -> Any:
        return self.model, self.tokenizer


class _Encoded(BatchEncoding):
    """A prompt whose tokens are known, in the tokenizer's place."""

    def __call__(self, *args: Any, **options: Any) -> "_Encoded":
        return self


class _Completions(CompletionHandler):
    """transformers' handler, with gaps before a `suffix`, a told `language`, token ids, and prompts that are scored."""

    model_manager: _OneModel

    async def handle_request(self, body: dict, request_id: str) -> Any:
        suffix, language, echo, given = (body.pop(key, None) for key in ("suffix", "language", "echo", "prompt"))
        self._validate_request(body)
        is_list = isinstance(given, list) and not all(isinstance(token, int) for token in given)
        neutral = _NEUTRAL | ({"stream": False} if echo else {"logprobs": None})
        try:
            prompts = [self._encode(prompt, suffix, language) for prompt in (given if is_list else [given])]
            if (not echo and len(prompts) != 1) or any(body.get(key) not in (None, neutral[key]) for key in neutral):
                raise ConfigError(f"a request gets one answer to one prompt, and no {', '.join(neutral)}")
            return await (self._score(body, prompts, request_id) if echo else self._write(body, prompts[0], request_id))
        except ConfigError as error:
            raise HTTPException(400, str(error)) from error

    def _encode(self, prompt: Any, suffix: str | None, language: str | None) -> _Encoded:
        held = self.model_manager
        generator, told = TextGenerator(held.model, held.tokenizer), told_language(held.model.config, language)
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
        return _Encoded({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)} | told)

    async def _write(self, body: dict, prompt: Any, request_id: str) -> Any:
        one, tokenizer = copy.copy(self.model_manager), copy.copy(self.model_manager.tokenizer)
        one.tokenizer, tokenizer.tokenizer, prompt._tokenizer = tokenizer, prompt, tokenizer.backend_tokenizer
        stop, num_new, ids = body.get("stop") or [], body.get("max_tokens", 1024), prompt["input_ids"][0].tolist()
        stops, decode = [stop] if isinstance(stop, str) else stop, tokenizer.decode
        if "" in stops or num_new == 0:
            raise ConfigError("stop, max_tokens: an empty stop string or no tokens leave no answer; leave them out")
        context = decoding_context(self.model_manager.tokenizer, ids)  # or some leave out the answer's first space

        def decode_answer(new: Any, **options: Any) -> str:
            text = decode([*context, *map(int, new)], **options)[len(decode(context, **options)) :]
            return min((text.partition(stop)[0] for stop in stops), key=len, default=text)  # transformers leaves it in

        tokenizer.decode = decode_answer
        asked = {"prompt": "", "stop": stops or None, "max_tokens": min(num_new or 1024, one.longest - len(ids))}
        return await CompletionHandler(one, self.generation_state).handle_request(body | asked, request_id)

    async def _score(self, body: dict, prompts: list[_Encoded], request_id: str) -> JSONResponse:
        """The log-probability of every token but the first, and of the likeliest in its place."""
        held, num_top, num_new = self.model_manager, body.get("logprobs"), body.get("max_tokens")
        if num_top not in range(1, 6) or num_new not in (0, 1) or body.get("model") not in (None, held.force_model):
            raise ConfigError(f"echo: it goes with logprobs from 1 to 5, max_tokens 0 or 1, and {held.force_model!r}")
        if (most := MOST_SCORES // len(held.token_ids)) < max(prompt["input_ids"].shape[1] for prompt in prompts):
            raise ConfigError(f"prompt: at most {most} tokens of this model can be scored at once")
        thread: Any = self.generation_state.get_manager(held.process_model_name(held.force_model))
        score = partial(thread.async_submit, _scored_prompt, held.model, held.tokenizer)
        choices = [await score(prompt, num_top, num_new) | {"index": index} for index, prompt in enumerate(prompts)]
        head = {"id": request_id, "object": "text_completion", "created": int(time.time()), "model": held.force_model}
        return JSONResponse(head | {"choices": choices})


@torch.inference_mode()
def _scored_prompt(model: Any, tokenizer: Any, prompt: Any, num_top: int, num_new: int) -> dict[str, Any]:
    """A prompt, the likeliest token after it if one is wanted, and the log-probability of every token but the first.

    Args:
        model, tokenizer: in evaluation mode.
        prompt: inputs of the model, one row.
        num_top: how many of the likeliest tokens to name at each place; of two with one name the likelier counts.
        num_new: 0 or 1 new tokens.

    Returns:
        JSON-ready, in the form of OpenAI's completions: `text`, `finish_reason` and `logprobs`.
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
