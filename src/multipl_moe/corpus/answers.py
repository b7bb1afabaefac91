"""The tokens of an answer, and which of them count in the loss."""

from collections.abc import Callable, Sequence
from typing import Any

from multipl_moe.start_tokens import start_tokens

Encode = Callable[[str, bool], list[int]]
"""Tokens of a text without any around it, and whether special tokens that it spells are meant."""


def answer_tokens(
    parts: Sequence[str], encode: Encode, start: list[int], end: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """The tokens of an answer from its parts (`multipl_judge.languages.answers`), and the spans of those that count.

    A span is a completion with the token that ends it: `end`, or in a chat the first token of what follows. Parts are
    tokenised apart, as a prompt is when a model continues it. Special tokens that a completion spells are text.
    """
    is_raw = len(parts) % 2 == 0
    tokens, spans = [*start] if is_raw else [], []
    for number, part in enumerate(parts):
        begin, is_completion = len(tokens), number % 2 == 1
        tokens += encode(part, not is_completion)
        if is_completion:
            spans.append((begin, len(tokens) + 1))
    return [*tokens, end] if is_raw else tokens, spans


def tokenised_answer(tokenizer: Any, parts: Sequence[str]) -> tuple[list[int], list[tuple[int, int]]]:
    """`answer_tokens` by a tokenizer of transformers."""

    def encode(text: str, is_spelled: bool) -> list[int]:
        return tokenizer(text, add_special_tokens=False, split_special_tokens=not is_spelled, verbose=False)[
            "input_ids"
        ]

    return answer_tokens(parts, encode, start_tokens(tokenizer), tokenizer.eos_token_id)
