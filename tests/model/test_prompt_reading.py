"""Prompts that gates read as a whole, against a slow reference, and what generation makes of them (design 5)."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from multipl_moe.model.segments import plan_segments
from tests.conftest import CAUSAL_PRESETS, random_tokens, tiny_hybrid
from tests.model.chunks import logits_in_chunks
from tests.model.small_gate import ONE, OTHER, STRIDE, TICKS, said_of_prompt, small_gate, texts
from tests.model.test_gated import composed

_GREEDY: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 17)), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_it_says_of_prompts_what_follows_from_all_ways_to_read_them(rows: list[tuple[int, int]], seed: int):
    gate, written = small_gate(), texts(seed, [max(length, 1) for _, length in rows])
    longest = max(left + length for left, length in rows)
    positions = torch.full((len(rows), max(longest, 1)), -1)
    tokens, expected = torch.zeros_like(positions), []
    for row, (left, length) in enumerate(rows):
        positions[row, left : left + length] = torch.arange(length)
        tokens[row, left : left + length] = torch.tensor(written[row][:length], dtype=torch.long)
        expected += said_of_prompt(gate, written[row][:length])
    plan = plan_segments(positions, positions >= 0, window=None, stride=STRIDE, lookahead=False)
    flat = tokens.flatten() if plan.real_tokens is None else tokens.flatten()[plan.real_tokens]
    found = gate.p_of_prompts(flat, plan)[plan.segment_of_token].tolist() if expected else []
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("name", "expected"), [(ONE, 1.0), (OTHER, 0.0)])
def test_a_fence_at_a_prompts_end_decides_for_what_is_written_next(name: int, expected: float):
    tokens = torch.tensor([7, 8, 9, 10, 11, TICKS, name])
    plan = plan_segments(torch.arange(7)[None], None, window=None, stride=STRIDE, lookahead=False)
    found = small_gate().p_of_prompts(tokens, plan)
    assert found[-1] == expected
    assert 0 < found[0] < 1


def _rows(lengths: list[int], total: int) -> tuple[Tensor, Tensor]:
    mask = torch.stack([(torch.arange(total) >= total - length).long() for length in lengths])
    return random_tokens(len(lengths), total, seed=4) * mask, mask


@torch.no_grad()
def test_a_row_is_read_alone_whatever_is_beside_it_and_padding_is_shut():
    model = tiny_hybrid("gated")
    tokens, mask = _rows([29, 8, 1, 17], 29)
    read = model.model.read_prompt(tokens, mask)
    assert not read[mask == 0].any()
    for row, length in enumerate([29, 8, 1, 17]):
        assert torch.equal(read[row, 29 - length :], model.model.read_prompt(tokens[row : row + 1, 29 - length :])[0])
    assert set(read[mask == 1].flatten().tolist()) == {0.0, 1.0}


@torch.no_grad()
def test_of_several_packs_the_likeliest_works_if_any_does():
    model, tokens = composed("lora", ("rust", "ocaml")), random_tokens(40, 12)
    read, seen = model.model.read_prompt(tokens), set()
    plan = plan_segments(torch.arange(12).expand(40, -1), None, window=None, stride=4, lookahead=False)
    p_NP = torch.stack([gate.p_of_prompts(tokens.flatten(), plan) for gate in model.model.gates.values()], dim=1)
    for open_P, p_P in zip(read.flatten(0, 1).tolist(), p_NP[plan.segment_of_token].tolist(), strict=True):
        expected = [0.0, 0.0]
        if max(p_P) > 0.51:
            expected[p_P.index(max(p_P))] = 1.0
        assert open_P == expected
        seen.add(tuple(open_P))
    assert seen == {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)}


@pytest.mark.parametrize("sizes", [(1,), (5, 1), (3, 5, 2, 9), (22, 1)], ids=str)
@torch.no_grad()
def test_what_was_read_holds_for_the_prompt_in_chunks_as_in_the_whole(sizes: tuple[int, ...]):
    tokens, mask = _rows([30, 21, 14], 30)
    for model in (tiny_hybrid("gated"), tiny_hybrid("gated-single"), composed("full", ("rust", "ocaml"))):
        told = {"prompt_share": model.model.read_prompt(tokens[:, :22], mask[:, :22])}
        whole = model(tokens, attention_mask=mask, **told).logits
        found = logits_in_chunks(model, tokens, sizes, mask, **told)
        torch.testing.assert_close(found[mask == 1], whole[mask == 1], rtol=0, atol=1e-4)
        assert not torch.allclose(whole, model(tokens, attention_mask=mask).logits, atol=1e-3)


@pytest.mark.parametrize("preset", [*CAUSAL_PRESETS[-2:], "paper"])
@torch.no_grad()
def test_generation_takes_the_likeliest_token_of_the_full_pass_with_what_was_read(preset: str):
    overrides: dict[str, Any] = {"languages": ["one", "other"]} if preset == "paper" else {}
    model = tiny_hybrid(preset, **overrides)
    prompt = random_tokens(1, 11, seed=2)
    tokens, told = prompt, {"prompt_share": model.model.read_prompt(prompt)}
    for _ in range(13):
        tokens = torch.cat([tokens, model(tokens, **told).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(model.generate(prompt, max_new_tokens=13, **_GREEDY), tokens)


@torch.no_grad()
def test_a_short_prompt_is_open_or_shut_as_if_the_language_were_told():
    model, prompt = tiny_hybrid("gated-single", start=0.7), random_tokens(1, 3)
    (gate,) = model.model.gates.values()
    written = {}
    for offset in (9.0, -9.0):
        gate.calibration.copy_(torch.tensor([0.0, offset]))
        written[offset] = model.generate(prompt, max_new_tokens=12, **_GREEDY)
        told = model.generate(prompt, open_share=float(offset > 0), max_new_tokens=12, **_GREEDY)
        assert torch.equal(written[offset], told)
        assert not torch.equal(model.generate(prompt, prompt_share=None, max_new_tokens=12, **_GREEDY), told)
    assert not torch.equal(written[9.0], written[-9.0])


@torch.no_grad()
def test_padding_is_told_by_its_token_where_there_is_no_mask():
    model = tiny_hybrid("gated")
    tokens, mask = _rows([12, 5], 12)
    expected = model.generate(tokens, attention_mask=mask, max_new_tokens=9, **_GREEDY)
    assert torch.equal(model.generate(tokens, max_new_tokens=9, **_GREEDY), expected)
    assert torch.equal(model.generate(input_ids=tokens, max_new_tokens=9, **_GREEDY), expected)


@torch.no_grad()
def test_without_ids_or_gates_there_is_nothing_to_read():
    model, tokens = tiny_hybrid("gated"), random_tokens(1, 9)
    embedded = model.model.embed_tokens(tokens)
    assert model.generate(inputs_embeds=embedded, max_new_tokens=3, **_GREEDY).shape == (1, 3)
    assert tiny_hybrid("causal").model.read_prompt(tokens) is None
