"""Rows of answers: `prompt` and `completion`, or `messages`, which the model's chat template writes."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from datatrove.data import Document
from transformers import AutoTokenizer

from multipl_judge.languages.answers import are_answers, cuts_of
from multipl_moe.errors import CorpusError

COLUMNS = "prompt and completion, or messages"


def answer_row(row: Mapping[str, Any]) -> str | None:
    """What a row holds of an answer, as JSON; None where it holds none."""
    if isinstance(row.get("messages"), list):
        kept = {"messages": row["messages"]}
    elif isinstance(row.get("prompt"), str) and isinstance(row.get("completion"), str):
        kept = {"prompt": row["prompt"], "completion": row["completion"]}
    else:
        return None
    return json.dumps(kept, ensure_ascii=False)


class _NoAnswerError(Exception):
    pass


class AnswerTexts:
    """Makes the text of each answer from its row, with `cuts` in its metadata, or tells why the row makes none.

    That is an empty prompt or completion, messages that the template refuses, that it writes otherwise when more follow
    (so that no prompt would begin as in generation), or whose roles it writes without a token that ends the assistant's
    turn. CorpusError where a row has messages, and the tokenizer no chat template. Files are left as they are.
    """

    def __init__(self, tokenizer_folder: Path):
        self.tokenizer_folder = tokenizer_folder

    @cached_property
    def _tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(str(self.tokenizer_folder), local_files_only=True)

    def __call__(self, document: Document) -> str | None:
        """Why a document is to be dropped."""
        if not are_answers(document.metadata["language"]):
            return None
        row = json.loads(document.text)
        try:
            parts = chat_parts(self._tokenizer, row["messages"]) if "messages" in row else _raw_parts(**row)
        except _NoAnswerError as error:
            return str(error)
        document.text, document.metadata["cuts"] = "".join(parts), cuts_of(parts)
        return None


def _raw_parts(prompt: str, completion: str) -> list[str]:
    if not prompt or not completion:
        raise _NoAnswerError("prompt or completion is empty")
    return [prompt, completion]


def chat_parts(tokenizer: Any, messages: list[dict[str, Any]]) -> list[str]:
    """The text of a chat, cut into what the assistant says and all else.

    Each of its turns begins where the template puts the prompt's end if the messages before are all there are, and ends
    before the first special token after what it says.
    """
    if tokenizer.chat_template is None:
        raise CorpusError(
            "corpus.sources: rows of messages need a chat template, which the base's tokenizer lacks; take a base that "
            "was trained on chats, or rows of prompt and completion"
        )
    special = re.compile("|".join(re.escape(text) for text in sorted(_special(tokenizer), key=len, reverse=True)))
    if not all(isinstance(message, dict) for message in messages):
        raise _NoAnswerError("a message is not a JSON object")
    whole, parts, place = _written(tokenizer, messages, False), [], 0
    for number, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        prompt, said = _written(tokenizer, messages[:number], True), str(message.get("content") or "").strip()
        found = whole.find(said, len(prompt)) if whole.startswith(prompt) and len(prompt) >= place else -1
        end = special.search(whole, found + len(said)) if said and found >= 0 else None
        if end is None:
            raise _NoAnswerError(f"message {number}: empty, or the chat template writes it in no way to learn from")
        parts += [whole[place : len(prompt)], whole[len(prompt) : end.start()]]
        place = end.start()
    if not parts:
        raise _NoAnswerError("no message of the assistant")
    return [*parts, whole[place:]]


def _special(tokenizer: Any) -> set[str]:
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return added | set(tokenizer.all_special_tokens)


def _written(tokenizer: Any, messages: list[dict[str, Any]], is_prompt: bool) -> str:
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=is_prompt)
    except Exception as error:  # a template raises what it likes
        raise _NoAnswerError(f"the chat template refuses it: {error}") from None
