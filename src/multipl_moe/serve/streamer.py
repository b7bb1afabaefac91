"""The text of one answer, piece by piece, from the thread that generates to the event loop that sends."""

import asyncio
from functools import partial
from typing import Any

from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from transformers.cli.serving.utils import DirectStreamer

from multipl_moe.generate.context import decoding_context


class AnswerEndedError(Exception):
    """Raised inside `model.generate`: the text has reached a stop string, or nobody waits for it any more."""


class AnswerStreamer(DirectStreamer):
    """transformers' streamer, which ends before a stop string and remembers the tokens.

    transformers' own stop strings stay in the text; OpenAI's do not, so text that may begin one is held back. The queue
    receives the pieces, then None. The tokenizer must be a fast one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, queue: asyncio.Queue, stop_strings: list[str]) -> None:
        self.tokens: list[int] = []
        self.is_cancelled = False
        self._has_prompt = False
        self._stop_strings = stop_strings
        self._held = ""
        self._stopped = False
        self._context_of = partial(decoding_context, tokenizer)
        rust_tokenizer: Any = getattr(tokenizer, "backend_tokenizer")  # noqa: B009 (only fast ones have it)
        super().__init__(rust_tokenizer, asyncio.get_running_loop(), queue)

    def put(self, value: Tensor) -> None:
        """Take the prompt, then each new token; raises AnswerEndedError at a stop string and once cancelled."""
        if self.is_cancelled:
            raise AnswerEndedError
        super().put(value)
        if self._has_prompt:
            self.tokens += value.tolist()
        else:
            self._decode_stream = DecodeStream(self._context_of(value.flatten().tolist()), skip_special_tokens=True)
            self._has_prompt = True
        if self._stopped:
            raise AnswerEndedError

    def cancel(self) -> None:
        """Let the next `put` end the generation."""
        self.is_cancelled = True

    def _enqueue(self, item: Any) -> None:
        if item is None:  # the end
            held, self._held = self._held, ""
            if held:
                super()._enqueue(held)
            super()._enqueue(item)
        elif not self._stopped:
            text = self._release(item)
            if text:
                super()._enqueue(text)

    def _release(self, text: str) -> str:
        """What can be sent once `text` has come."""
        text, self._held = self._held + text, ""
        ends = [place for stop in self._stop_strings if (place := text.find(stop)) >= 0]
        if ends:
            self._stopped = True
            return text[: min(ends)]
        num_held = max(
            (size for stop in self._stop_strings for size in range(1, len(stop)) if text.endswith(stop[:size])),
            default=0,
        )
        self._held = text[len(text) - num_held :]
        return text[: len(text) - num_held]
