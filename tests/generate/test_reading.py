"""A reading agrees with plain forward passes of hybrid and base, token by token."""

import json
import math

import pytest
import torch

from multipl_moe.generate.reading import Reading, read_text
from tests.codegen.problems import tiny_model
from tests.conftest import randomise_gate

TEXT = "fn naïve(x: u8) -> '→'"


def bits_of(model, tokenizer, text, **known):
    tokens = torch.tensor(tokenizer(text)["input_ids"])
    with torch.no_grad():
        nats = -model(input_ids=tokens[None], **known).logits[0].log_softmax(dim=-1)
    return [None, *(nats[:-1].gather(1, tokens[1:, None]).flatten() / math.log(2)).tolist()]


@pytest.mark.parametrize("preset", ["gated", "single", "causal", "token-only"])
def test_bits_are_those_of_hybrid_and_base_and_weights_those_of_each_layer(tokenizer, preset):
    model, dense = tiny_model(preset), tiny_model(None)
    reading = read_text(model, tokenizer, TEXT, layers=[1, 2], max_tokens=99, base=dense)
    num_tokens = len(tokenizer(TEXT)["input_ids"])
    assert "".join(reading.pieces) == TEXT
    assert reading.bits == pytest.approx(bits_of(model, tokenizer, TEXT))
    assert reading.base_bits == pytest.approx(bits_of(dense, tokenizer, TEXT))
    assert (reading.gate is not None) == (preset in ("gated", "single"))
    for rows in reading.weights.values():
        assert len(rows) == num_tokens
        assert {len(row) for row in rows} == {len(reading.experts)}
        assert all(0 <= sum(row) <= 1 + 1e-6 for row in rows)
    assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


@pytest.mark.parametrize("share", [None, 0.0, 1.0])
def test_behind_a_gate_the_base_is_the_hybrid_with_the_gate_shut(tokenizer, share):
    model = tiny_model("gated")
    reading = read_text(model, tokenizer, TEXT, layers=[2], max_tokens=99, open_share=share)
    known = {} if share is None else {"open_share": share}
    assert reading.bits == pytest.approx(bits_of(model, tokenizer, TEXT, **known))
    assert reading.base_bits == pytest.approx(bits_of(model, tokenizer, TEXT, open_share=0.0))
    assert reading.gate is not None
    if share is not None:
        assert set(reading.gate) == {share}
    shut = [sum(row) == 0 for row in reading.weights[2]]
    assert all(p > 0 or is_shut for p, is_shut in zip(reading.gate, shut, strict=True))


@pytest.mark.parametrize("prompt", [TEXT[:7], TEXT])
def test_a_text_that_a_model_wrote_is_read_as_its_prompt_was(tokenizer, prompt):
    model = tiny_model("gated")
    randomise_gate(model)
    reading = read_text(model, tokenizer, TEXT, layers=[], max_tokens=99, prompt=prompt)
    share = model.model.read_prompt(torch.tensor([tokenizer(prompt)["input_ids"]]))
    assert reading.bits == pytest.approx(bits_of(model, tokenizer, TEXT, prompt_share=share))
    assert reading.gate is not None
    assert reading.gate[: len(share[0])] == share[0, :, 0].tolist()
    assert reading.bits != read_text(model, tokenizer, TEXT, layers=[], max_tokens=99).bits


def test_a_long_text_is_cut_and_bits_per_byte_are_those_of_what_is_left(tokenizer):
    reading = read_text(tiny_model("gated"), tokenizer, "abcdefgh", layers=[1], max_tokens=5)
    assert reading.pieces == list("abcde")
    hybrid, base = reading.bits_per_byte
    assert hybrid == pytest.approx(sum(bit for bit in reading.bits if bit is not None) / 4)
    assert base == pytest.approx(sum(bit for bit in reading.base_bits or [] if bit is not None) / 4)
    alone = read_text(tiny_model("causal"), tokenizer, "abc", layers=[], max_tokens=99)  # nothing to compare it with
    assert (alone.base_bits, alone.bits_per_byte[1]) == (None, None)
