"""Completions from any endpoint with OpenAI's interface: completions, or chat with code taken out of the answers."""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from multipl_judge.extras import install_hint
from multipl_judge.problems.problem import cut_at_stop
from multipl_moe.codegen.completer import DID_NOT_FIT, Completion, Extract, Finish, Request, chat_prompt, completion_of
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.codegen import CodegenSection

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_logger = logging.getLogger(__name__)
_NUM_STOPS = 4  # the interface allows no more; the cut in the answer knows them all
_TIMEOUT_S = 300.0  # of one request
_SEED_BITS = 31  # some servers take no longer ones
_ROOM = re.compile(r"(?:context (?:length|size)|model length)\D{0,20}?(\d+)")
_PROMPT = re.compile(r"\b(\d+) (?:input tokens|(?:tokens )?(?:in|from) (?:the|your) (?:input|messages|prompt))")
_REFUSED = Completion("", Finish.stop)
_TOO_LONG = ("context_length", "context length", "maximum context", "exceeds the available context")


class EndpointCompleter:
    """A model behind HTTP.

    Whether its answers can be repeated is up to the server; each request carries its sample's seed. A server does not
    tell whether a text ended at a stop string or by itself: both are recorded as `stop`.

    Where prompt and max_new_tokens are more than the server's context holds, it is asked once more for what is left, or
    for a quarter where it does not tell. A prompt that is refused again has an empty completion that ends by `length`;
    where a batch of several problems gets nothing else, that is an error. A prompt that is refused for itself, as by a
    filter of contents, has an empty completion too: a server that has answered nothing yet is asked for "x" first, and
    where it refuses that as well, that is an error.

    Args:
        url: base of the interface, such as http://127.0.0.1:8000/v1.
        model: the server's name of the model.
        extract: for chat, `completion_of_answer`: the completion that an answer means; None asks for completions.
        token: of the server; default: the variable OPENAI_API_KEY, or none.
        concurrency: requests under way at a time.
        max_retries: attempts after the first, where the server is busy, fails or cannot be reached.

    Raises:
        ConfigError: the client is not installed, or no request can hold the token.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        extract: Extract | None = None,
        token: str | None = None,
        concurrency: int = 8,
        max_retries: int = 4,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise ConfigError(f"endpoint: its client is missing; install it with {install_hint('serve')}") from None
        self._openai = openai
        self._url, self._model, self._extract, self._concurrency = url, model, extract, concurrency
        self._has_answered = False
        token = token or os.environ.get("OPENAI_API_KEY") or "none"
        if not re.fullmatch("[!-~]+", token):
            raise ConfigError("endpoint: OPENAI_API_KEY: it must have visible ASCII characters and no spaces")
        self._client: dict[str, Any] = {"base_url": url, "api_key": token}
        self._client |= {"timeout": _TIMEOUT_S, "max_retries": max_retries}

    @property
    def name(self) -> str:
        """Model and address."""
        return f"{self._model} at {self._url}"

    @property
    def identity(self) -> dict[str, Any]:
        """Address, model and interface: more of it a server does not show."""
        return {"url": self._url, "model": self._model, "interface": "chat" if self._extract else "completions"}

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        """A completion for each request.

        Raises:
            ConfigError: the server cannot be reached, refuses or answers something else, or its context is too small
                for every problem.
        """
        return asyncio.run(self._complete_all(batch, settings))

    async def _complete_all(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        slots = asyncio.Semaphore(self._concurrency)

        async def one(request: Request) -> Completion | str | Exception:
            async with slots:
                return await self._complete(client, request, settings)

        async with self._openai.AsyncOpenAI(**self._client) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(request)) for request in batch]
            except ExceptionGroup as errors:
                if (refused := errors.subgroup((self._openai.OpenAIError, ConfigError))) is None:
                    raise
                first = refused.exceptions[0]
                raise first if isinstance(first, ConfigError) else self._refusal(first) from errors
            answers = [task.result() for task in tasks]
            refusals = [answer for answer in answers if isinstance(answer, Exception)]
            self._has_answered |= any(isinstance(answer, Completion) for answer in answers)
            if refusals and not self._has_answered:
                harmless = replace(batch[0], problem=replace(batch[0].problem, prompt="x"), help="")
                try:
                    answer = await one(harmless)
                except self._openai.OpenAIError as error:
                    raise self._refusal(error) from error
                if isinstance(answer, Exception):
                    raise self._refusal(refusals[0])
                self._has_answered = True
        if refusals:
            _logger.warning("%s; %d of %d answers fail for that", self._refusal(refusals[0]), len(refusals), len(batch))
        reasons = [answer for answer in answers if isinstance(answer, str)]
        if len(reasons) == len(answers) and len({request.problem.key for request in batch}) > 1:
            raise ConfigError(
                f"endpoint: {self._url} has too small a context for all {len(batch)} requests of a batch "
                f"({reasons[0]}); set codegen.max_new_tokens below {settings.max_new_tokens}, or give the server a "
                "longer context"
            )
        return [
            answer if isinstance(answer, Completion) else DID_NOT_FIT if isinstance(answer, str) else _REFUSED
            for answer in answers
        ]

    async def _complete(
        self, client: "AsyncOpenAI", request: Request, settings: CodegenSection
    ) -> Completion | str | Exception:
        """The completion, the server's reason where the prompt is too long for it, or its refusal of this prompt."""
        asked: dict[str, Any] = {
            "model": self._model,
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": request.seed % 2**_SEED_BITS,
        }
        reason = ""
        for _ in range(2):
            try:
                return await self._ask(client, request, asked)
            except self._openai.BadRequestError as error:
                reason = " ".join(str(error).split())
                if not any(sign in f"{error.code} {reason}".lower() for sign in _TOO_LONG):
                    return error
            asked["max_tokens"] = _tokens_left(reason, settings.max_new_tokens)
            if asked["max_tokens"] < 1:
                break
        return reason

    async def _ask(self, client: "AsyncOpenAI", request: Request, asked: dict[str, Any]) -> Completion:
        problem = request.problem
        if self._extract is not None:
            messages: Any = [{"role": "user", "content": chat_prompt(problem, request.help)}]
            answer, finish = await self._read(client.chat.completions.create(messages=messages, **asked))
            return completion_of(answer, self._extract(problem, answer), by_length=finish == "length")
        stop = list(problem.stop[:_NUM_STOPS]) or None
        text, finish = await self._read(client.completions.create(prompt=problem.prompt, stop=stop, **asked))
        cut = cut_at_stop(text, problem.stop)
        by_length = len(cut) == len(text) and finish == "length"
        return Completion(cut, Finish.length if by_length else Finish.stop)

    async def _read(self, answering: Awaitable[Any]) -> tuple[str, Any]:
        """The text of an answer, and why it ends."""
        try:
            choice = (await answering).choices[0]
            text = choice.text if self._extract is None else choice.message.content or ""
            return text.encode(errors="replace").decode(), choice.finish_reason  # without half surrogate pairs
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"endpoint: {self._url} answers something else than OpenAI's interface does ({error!r}); is the "
                "address right? It ends in /v1"
            ) from error

    def _refusal(self, error: Exception) -> ConfigError:
        openai, where = self._openai, f"endpoint: {self._url}"
        reason = " ".join(str(error).split())
        if isinstance(error, openai.APITimeoutError):
            return ConfigError(f"{where} did not answer in {_TIMEOUT_S:g} s; is it overloaded?")
        if isinstance(error, openai.APIConnectionError):
            return ConfigError(f"{where} cannot be reached ({reason}); is the server running, and the address right?")
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ConfigError(f"{where} refuses the token ({reason}); set OPENAI_API_KEY")
        if isinstance(error, openai.NotFoundError):
            return ConfigError(
                f"{where} has no model {self._model}, or no such interface ({reason}); an address ends in /v1"
            )
        return ConfigError(f"{where} refuses ({reason}); look at the server's log")


def _tokens_left(reason: str, max_new_tokens: int) -> int:
    """What a server's refusal leaves for the completion: context less prompt, if it tells both, or a quarter."""
    room, prompt = _ROOM.search(reason), _PROMPT.search(reason)
    left = int(room[1]) - int(prompt[1]) if room and prompt else max_new_tokens
    return left if left < max_new_tokens else max_new_tokens // 4
