"""The base's own answers to prompts that come with the package: made once for a base, then read from the cache."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.errors import ConfigError
from multipl_moe.eval.movement.divergence import CountedText
from multipl_moe.generate.text import TextGenerator
from multipl_moe.runs.folder import read_json, write_json

MAX_NEW_TOKENS = 64
_BATCH_PROMPTS = 50
_VERSION = 1  # to be raised when answers are made in another way, so that no older ones are used

Prompts = dict[str, list[str]]
"""Prompts by what they ask for: `chat` or `code`."""


def read_prompts() -> Prompts:
    """The prompts that come with the package."""
    return yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text(encoding="utf-8"))


def base_answers(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Prompts
) -> dict[str, list[CountedText]]:
    """The likeliest answer of a base in evaluation mode to each prompt, 64 tokens at most, by kind; only answers count.

    Prompts are put into the tokenizer's chat template where it has one, and else as they are. What ends an answer is
    part of it. The answers lie in the cache, by the base's weights and dtype, its tokenizer and the prompts.

    Raises:
        ConfigError: the base can read so few tokens that no prompt leaves room for an answer.
        OutputError: the cache cannot be written.
    """
    completer = LocalCompleter("base", base, tokenizer)
    file = cache_folder() / "answers" / f"{_key(completer, prompts)}.json"
    with cache_lock(file):
        if not file.is_file():
            kinds = [kind for kind, asked in prompts.items() for _ in asked]
            answers = _answers(completer, base, [prompt for asked in prompts.values() for prompt in asked])
            write_json(file, [[kind, *row] for kind, row in zip(kinds, answers, strict=True) if row is not None])
    texts: dict[str, list[CountedText]] = {}
    for kind, tokens, num_before in read_json(file):
        texts.setdefault(kind, []).append(CountedText(tokens, num_before))
    if not texts:
        raise ConfigError("base: it reads too few tokens for any prompt and answer; take one of more positions")
    return texts


def _answers(completer: LocalCompleter, base: Any, asked: Sequence[str]) -> list[tuple[list[int], int] | None]:
    """Tokens of prompt and answer, and how many are the prompt's; None for a prompt that leaves no room."""
    encoder, is_chat = TextGenerator(base, completer.tokenizer), bool(completer.tokenizer.chat_template)
    prompts = [encoder.encode(prompt, chat=is_chat)[0].tolist() for prompt in asked]
    answers: list[list[int]] = []
    for begin in range(0, len(prompts), _BATCH_PROMPTS):
        answers += completer.likeliest_tokens(prompts[begin : begin + _BATCH_PROMPTS], MAX_NEW_TOKENS)
    both = zip(prompts, answers, strict=True)
    return [(prompt + answer, len(prompt)) if answer else None for prompt, answer in both]


def _key(completer: LocalCompleter, prompts: Prompts) -> str:
    decides = [_VERSION, completer.identity, completer.tokenizer.chat_template, MAX_NEW_TOKENS, prompts]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]
