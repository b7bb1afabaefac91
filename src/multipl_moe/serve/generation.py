"""Generation for the server: one answer at a time, each of which can be cancelled."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.cli.serving.utils import BaseGenerateManager, GenerationState

from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.generate.text import COLDEST, told_language
from multipl_moe.serve.errors import RequestError, internal_error
from multipl_moe.serve.schema import GenerationRequest
from multipl_moe.serve.streamer import AnswerEndedError, AnswerStreamer

_logger = logging.getLogger(__name__)
_DEFAULT_NEW_TOKENS = 1024


class Engine:
    """The served model and the one thread that runs it.

    Seeds are of the process, so two answers must never overlap: every one is a job of that thread.

    Args:
        name: id of the model.
        model: dense or hybrid, in evaluation mode.
        tokenizer: the model's; one that is no fast one cannot stream text and raises BaseModelError.
    """

    def __init__(self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise BaseModelError(f"model: {name} has no fast tokenizer (tokenizer.json); convert its tokenizer first")
        self.name = name
        self.model: Any = model
        self.tokenizer: Any = tokenizer
        self.tokenizer.response_template = None  # an answer is text, which no parser takes apart
        self.max_positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
        self._answers: set[Answer] = set()

    @property
    def num_answers(self) -> int:
        """Answers under way or waiting."""
        return len(self._answers)

    def submit(self, answer: "Answer", *prompt: Any) -> None:
        """Run the answer, `Answer.run(*prompt)`, once those before it are done."""
        self._answers.add(answer)
        self._thread.submit(self._run, answer, *prompt)

    def cancel_all(self) -> None:
        """End the running answer at its next token and those that wait before their first."""
        for answer in list(self._answers):
            answer.cancel()

    def close(self) -> None:
        """Wait for the thread's end."""
        self.cancel_all()
        self._thread.shutdown()

    def _run(self, answer: "Answer", *prompt: Any) -> None:
        try:
            answer.run(*prompt)
        finally:
            self._answers.discard(answer)


class Answer(BaseGenerateManager):
    """Generation for one request, in the place of transformers' manager.

    Where transformers differs from OpenAI's interface this follows OpenAI: a temperature above 0 draws, a seed belongs
    to its request, a stop string is not part of the text, and prompt and answer must fit the model's positions.
    """

    def __init__(self, engine: Engine, request: GenerationRequest) -> None:
        self._engine, self._request = engine, request
        self._streamer: AnswerStreamer | None = None
        self.failure: RequestError | None = None
        self._told: dict[str, float] = {}

    def cancel(self) -> None:
        """End at the next token; does nothing to an answer that is complete."""
        if self._streamer is not None:
            self._streamer.cancel()

    def generate_streaming(
        self,
        model: Any,
        processor: Any,
        inputs: Any,
        gen_config: GenerationConfig,
        request_id: str,
        response_parser: Any = None,
    ) -> tuple[asyncio.Queue, AnswerStreamer]:
        """Start; the queue receives pieces of text, then None, also where generation failed: see `failure`.

        Raises RequestError where the prompt is empty, or longer with its answer than what the model can read.
        """
        self._settle(gen_config, inputs["input_ids"].shape[-1])
        try:
            self._told = told_language(self._engine.model.config, self._request.language)
        except ConfigError as error:
            raise RequestError(400, str(error), param="language") from error
        queue: asyncio.Queue = asyncio.Queue()
        streamer = AnswerStreamer(self._engine.tokenizer, queue, self._request.stop_strings)
        self._streamer = streamer
        self._engine.submit(self, inputs["input_ids"], inputs["attention_mask"], gen_config)
        return queue, streamer

    async def generate_non_streaming(
        self, model: Any, processor: Any, inputs: Any, gen_config: GenerationConfig, request_id: str
    ) -> tuple[str, int, list[int]]:
        """Text, number of prompt tokens and new tokens; raises RequestError also for what failed or was cancelled."""
        queue, streamer = self.generate_streaming(model, processor, inputs, gen_config, request_id)
        pieces: list[str] = []
        while (item := await queue.get()) is not None:
            pieces.append(item)
        if self.failure is not None:
            raise self.failure
        return "".join(pieces), inputs["input_ids"].shape[-1], streamer.tokens

    def stop(self) -> None:
        """As transformers' managers have it."""
        self.cancel()

    def run(self, input_ids: Tensor, attention_mask: Tensor, config: GenerationConfig) -> None:
        """Generate, in the engine's thread; whatever happens, the queue learns of the end."""
        streamer = self._streamer
        assert streamer is not None
        try:
            if self._request.seed is not None:
                torch.manual_seed(self._request.seed)
            self._engine.model.generate(
                input_ids, attention_mask=attention_mask, generation_config=config, streamer=streamer, **self._told
            )
            return  # generate has ended the stream
        except AnswerEndedError:
            if streamer.is_cancelled:
                self.failure = RequestError(503, "the answer was cancelled; the server is stopping")
        except Exception:
            _logger.exception("generation failed")
            self.failure = internal_error()
        streamer.end()

    def _settle(self, config: GenerationConfig, num_prompt: int) -> None:
        """Put what was asked into the model's own configuration, of which `config` is a copy."""
        request = self._request
        config.max_new_tokens = self._num_new(num_prompt)
        config.num_beams = config.num_return_sequences = 1
        if request.temperature is not None:
            if not config.do_sample:
                config.top_k = 0
            config.do_sample = request.temperature >= COLDEST
            config.temperature = request.temperature if config.do_sample else None
        if request.top_p is not None:
            config.top_p = request.top_p
        special = self._engine.tokenizer.get_added_vocab()
        ends = [special[stop] for stop in request.stop_strings if stop in special]
        if ends:
            own = config.eos_token_id
            config.eos_token_id = [*(own if isinstance(own, list) else [] if own is None else [own]), *ends]

    def _num_new(self, num_prompt: int) -> int:
        if num_prompt == 0:
            raise RequestError(400, "the prompt has no tokens; give some text to continue")
        asked, longest = self._request.max_new_tokens, self._engine.max_positions
        if longest is None:
            return asked or _DEFAULT_NEW_TOKENS
        room = longest - num_prompt
        if room < (asked or 1):
            raise RequestError(
                400,
                f"the prompt's {num_prompt} tokens and {asked or 1} new ones are more than the {longest} that this "
                "model can read; shorten one of them",
                code="context_length_exceeded",
            )
        return asked or min(_DEFAULT_NEW_TOKENS, room)


class OneAnswer(GenerationState):
    """transformers' choice of a manager, which here has no choice."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get_manager(self, model_id: str, use_cb: bool = False) -> BaseGenerateManager:
        """The answer that is to be generated."""
        return self._answer
