"""New tokens are decoded as what follows their prompt, with tokenizers that leave out a text's first space."""

import pytest
import torch
from transformers import AutoTokenizer

from multipl_moe.generate.text import CallbackStreamer, decoding_context
from tests.fixtures import save_stripping_tokenizer, save_tokenizer

WORDS = ["x", "=", "▁x", "▁=", "▁1"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stripping")
    save_stripping_tokenizer(folder, WORDS)
    return AutoTokenizer.from_pretrained(folder)


def ids(tokenizer, *tokens: str) -> list[int]:
    return tokenizer.convert_tokens_to_ids(list(tokens))


def streamed(tokenizer, prompt: list[int], new: list[int]) -> str:
    pieces: list[str] = []
    streamer = CallbackStreamer(tokenizer, pieces.append)
    streamer.put(torch.tensor([prompt]))
    for token in new:
        streamer.put(torch.tensor([token]))
    streamer.end()
    return "".join(pieces)


ARROW = ["<0xE2>", "<0x86>", "<0x92>"]


@pytest.mark.parametrize(
    ("prompt", "new", "text"),
    [
        (["<s>", "x"], ["▁=", "▁1"], " = 1"),
        (["x", "▁="], ["▁1"], " 1"),
        (["x", "▁"], ["▁="], " ="),
        (["x", "▁"], ["="], "="),
        (["x", "<0x0A>"], ["▁x"], " x"),
        (["x", *ARROW], ["▁x"], " x"),
        (["x", *ARROW], [*ARROW, "x"], "→x"),
        (["x", *ARROW, *ARROW], ["▁x", *ARROW], " x→"),
        (["x", "<s>"], ["▁x"], "x"),
        (["<s>"], ["▁x"], "x"),
        (["x"], [], ""),
    ],
)
def test_the_text_is_what_the_new_tokens_add_to_the_prompt(tokenizer, prompt, new, text):
    assert streamed(tokenizer, ids(tokenizer, *prompt), ids(tokenizer, *new)) == text


def test_the_context_is_short(tokenizer, tmp_path):
    assert decoding_context(tokenizer, ids(tokenizer, *["x", "="] * 50)) == ids(tokenizer, "=")
    assert decoding_context(tokenizer, ids(tokenizer, "x", "=", "▁")) == ids(tokenizer, "=", "▁")
    assert decoding_context(tokenizer, ids(tokenizer, *["▁"] * 2000)) == ids(tokenizer, "▁", "▁")
    assert decoding_context(tokenizer, ids(tokenizer, "x", *["<0x92>"] * 2000)) == []
    save_tokenizer(tmp_path / "bytes")
    by_bytes = AutoTokenizer.from_pretrained(tmp_path / "bytes")
    prompt = by_bytes("let é")["input_ids"]
    assert decoding_context(by_bytes, prompt) == prompt[-2:]
