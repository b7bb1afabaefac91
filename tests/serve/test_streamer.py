"""The pieces of an answer make up what its tokens add to the prompt."""

import asyncio

import pytest
import torch
from transformers import AutoTokenizer

from multipl_moe.serve.streamer import AnswerStreamer
from tests.fixtures import save_stripping_tokenizer


@pytest.mark.parametrize(
    ("prompt", "new", "text"),
    [
        (["<s>", "x"], ["▁=", "▁1"], " = 1"),
        (["x", "<0xE2>", "<0x86>", "<0x92>"], ["▁1", "<0xE2>", "<0x86>", "<0x92>"], " 1→"),
        (["x", "<s>"], ["▁1"], "1"),
    ],
)
def test_the_first_space_is_kept_where_the_tokenizer_leaves_out_that_of_a_text(tmp_path, prompt, new, text):
    save_stripping_tokenizer(tmp_path, ["x", "▁=", "▁1"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)

    async def stream() -> list[str]:
        queue: asyncio.Queue = asyncio.Queue()
        streamer = AnswerStreamer(tokenizer, queue, [])
        streamer.put(torch.tensor([tokenizer.convert_tokens_to_ids(prompt)]))
        for token in tokenizer.convert_tokens_to_ids(new):
            streamer.put(torch.tensor([token]))
        streamer.end()
        pieces = []
        while (piece := await queue.get()) is not None:
            pieces.append(piece)
        assert streamer.total_tokens == len(streamer.tokens) == len(new)
        return pieces

    assert "".join(asyncio.run(stream())) == text
