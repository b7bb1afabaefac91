"""Prompts that gates read as a whole, against a slow reference, and what generation makes of them (design 5)."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from multipl_moe.model.segments import plan_segments
from tests.conftest import CAUSAL_PRESETS, random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY, lay_out, left_padded, logits_in_chunks
from tests.model.small_gate import ONE, OTHER, STRIDE, TICKS, said_of_prompt, small_gate, texts
from tests.model.test_gated import composed


@settings(max_examples=20)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 17)), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_it_says_of_prompts_what_follows_from_all_ways_to_read_them(rows: list[tuple[int, int]], seed: int):
    gate, written = small_gate(), texts(seed, [max(length, 1) for _, length in rows])
    positions, mask = lay_out([(left, [length]) for left, length in rows])
    tokens, expected = torch.zeros_like(positions), []
    for row, (left, length) in enumerate(rows):
        tokens[row, left : left + length] = torch.tensor(written[row][:length], dtype=torch.long)
        expected += said_of_prompt(gate, written[row][:length])
    plan = plan_segments(positions, mask, stride=STRIDE)
    other_N = gate.other_in_prompts(plan.of_real(tokens.flatten()), plan)[plan.segment_of_token]
    assert (1 - other_N).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("name", "expected"), [(ONE, 0.0), (OTHER, 1.0)])
def test_a_fence_at_a_prompts_end_decides_for_what_is_written_next(name: int, expected: float):
    tokens = torch.tensor([7, 8, 9, 10, 11, TICKS, name])
    found = small_gate().other_in_prompts(tokens, plan_segments(torch.arange(7)[None], None, stride=STRIDE))
    assert found[-1] == expected
    assert 0 < found[0] < 1


@torch.no_grad()
def test_a_row_is_read_alone_whatever_is_beside_it_and_padding_is_shut():
    model = tiny_hybrid("gated")
    tokens, mask = left_padded([29, 8, 1, 17], seed=4)
    read = model.model.read_prompt(tokens, mask)
    assert not read[mask == 0].any()
    for row, length in enumerate([29, 8, 1, 17]):
        assert torch.equal(read[row, 29 - length :], model.model.read_prompt(tokens[row : row + 1, 29 - length :])[0])
    assert set(read[mask == 1].flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("num_rows", "num_tokens"), [(40, 12), (3, 400)])
@torch.no_grad()
def test_of_several_packs_the_likeliest_works_if_any_does(num_rows: int, num_tokens: int):
    model, tokens = composed("lora", ("rust", "ocaml")), random_tokens(num_rows, num_tokens)
    for offset, gate in zip((-0.15, -0.1), model.model.gates.values(), strict=True):
        gate.calibration.copy_(torch.tensor([[0.6, offset + 0.6 * (num_tokens > 100)], [0.6, -0.6]]))
    read, positions = model.model.read_prompt(tokens), torch.arange(num_tokens).expand(num_rows, -1)
    plan = plan_segments(positions, None, stride=4)
    other_PN = torch.stack(
        [gate.other_in_prompts(tokens.flatten(), plan)[plan.segment_of_token] for gate in model.model.gates.values()]
    )
    both = bool((other_PN < 1e-8).all(dim=0).any())
    for open_P, other_P in zip(read.flatten(0, 1).tolist(), other_PN.T.tolist(), strict=True):
        expected = [0.0, 0.0]
        if min(other_P) < 0.49:
            expected[other_P.index(min(other_P))] = 1.0
        assert open_P == expected
    assert len(set(map(tuple, read.flatten(0, 1).tolist()))) == 3 - (num_tokens > 100)
    assert both == (num_tokens > 100)  # of a long text both gates are as good as certain


@pytest.mark.parametrize("sizes", [(1,), (3, 5, 2, 9), (22, 1)], ids=str)
@torch.no_grad()
def test_what_was_read_holds_for_the_prompt_in_chunks_as_in_the_whole(sizes: tuple[int, ...]):
    tokens, mask = left_padded([30, 21, 14], seed=4)
    for model in (tiny_hybrid("gated"), tiny_hybrid("gated-single"), composed("full", ("rust", "ocaml"))):
        told = {"prompt_share": model.model.read_prompt(tokens[:, :22], mask[:, :22])}
        whole = model(tokens, attention_mask=mask, **told).logits
        found = logits_in_chunks(model, tokens, sizes, mask, **told)
        torch.testing.assert_close(found[mask == 1], whole[mask == 1], rtol=0, atol=1e-4)
        assert not torch.allclose(whole, model(tokens, attention_mask=mask).logits, atol=1e-3)


@pytest.mark.parametrize("preset", [*CAUSAL_PRESETS[-3:], "paper"])
@torch.no_grad()
def test_generation_takes_the_likeliest_token_of_the_full_pass_with_what_was_read(preset: str):
    overrides: dict[str, Any] = {"languages": ["one", "other"]} if preset == "paper" else {}
    model = tiny_hybrid(preset, **overrides)
    prompt = random_tokens(1, 11, seed=2)
    tokens, told = prompt, {"prompt_share": model.model.read_prompt(prompt)}
    for _ in range(13):
        tokens = torch.cat([tokens, model(tokens, **told).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(model.generate(prompt, max_new_tokens=13, **GREEDY), tokens)


@torch.no_grad()
def test_a_short_prompt_is_open_or_shut_as_if_the_language_were_told():
    model, prompt = tiny_hybrid("gated-single", start=0.7), random_tokens(1, 3)
    (gate,) = model.model.gates.values()
    written = {}
    for offset in (9.0, -9.0):
        gate.calibration.copy_(torch.tensor([[0.0, offset], [0.0, -9.0]]))
        written[offset] = model.generate(prompt, max_new_tokens=12, **GREEDY)
        told = model.generate(prompt, open_share=float(offset > 0), max_new_tokens=12, **GREEDY)
        assert torch.equal(written[offset], told)
        assert not torch.equal(model.generate(prompt, prompt_share=None, max_new_tokens=12, **GREEDY), told)
    assert not torch.equal(written[9.0], written[-9.0])


@torch.no_grad()
def test_what_is_told_of_all_rows_holds_for_their_beams_too():
    model, tokens = composed("lora", ("lua", "rust")), random_tokens(3, 9)
    settings: dict[str, Any] = GREEDY | {"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 6}
    one = torch.tensor([[1.0, 0.0]])
    expected = model.generate(tokens, open_share=one.expand(3, -1), **settings)
    assert not torch.equal(expected, model.generate(tokens, open_share=0.0, **settings))
    assert torch.equal(model.generate(tokens, open_share=one, **settings), expected)
    assert torch.equal(model.generate(input_ids=tokens, open_share=one, **settings), expected)
    number = model.generate(tokens, open_share=torch.tensor(1.0), **settings)
    assert torch.equal(number, model.generate(tokens, open_share=1.0, **settings))


@torch.no_grad()
def test_padding_is_told_by_its_token_where_there_is_no_mask_as_transformers_does():
    model = tiny_hybrid("gated")
    tokens, mask = left_padded([12, 5], seed=4)
    expected = model.generate(tokens, attention_mask=mask, max_new_tokens=9, **GREEDY)
    assert torch.equal(model.generate(input_ids=tokens, max_new_tokens=9, **GREEDY), expected)
    config = GenerationConfig(**GREEDY, max_new_tokens=9)
    expected = model.generate(tokens, attention_mask=mask, generation_config=config)
    assert torch.equal(model.generate(tokens, generation_config=config), expected)
    assert torch.equal(model.generate(tokens, config), expected)
    settings: dict[str, Any] = {"do_sample": False, "max_new_tokens": 9, "pad_token_id": 0, "eos_token_id": [0, 1]}
    real = model.generate(tokens, attention_mask=torch.ones_like(mask), **settings)
    assert torch.equal(model.generate(tokens, **settings), real)
    nothing = torch.zeros(1, 1, dtype=torch.long)
    assert model.generate(nothing, attention_mask=nothing, max_new_tokens=2, **GREEDY).shape == (1, 3)


@torch.no_grad()
def test_a_prompt_is_read_unless_the_text_goes_on_or_something_is_told():
    model, tokens = tiny_hybrid("gated"), random_tokens(1, 9, seed=2)

    def logits(**settings: Any) -> Tensor:
        written = model.generate(
            tokens, max_new_tokens=1, output_logits=True, return_dict_in_generate=True, **GREEDY, **settings
        )
        return written.logits[0]

    read, unread = logits(prompt_share=model.model.read_prompt(tokens)), logits(prompt_share=None)
    assert not torch.allclose(read, unread, atol=1e-3)
    usual: list[dict[str, Any]] = [{}, {"open_share": None}, {"cache": DynamicCache(config=model.config.base_config)}]
    assert all(torch.equal(logits(**settings), read) for settings in usual)
    assert torch.equal(logits(open_share=0.0), logits(open_share=0.0, prompt_share=None))
    whole = model.generate(tokens, max_new_tokens=20, **GREEDY)
    first = model.generate(tokens, max_new_tokens=9, return_dict_in_generate=True, **GREEDY)
    assert torch.equal(model.generate(first.sequences, cache=first.cache, max_new_tokens=11, **GREEDY), whole)


@torch.no_grad()
def test_behind_a_prompt_a_gate_is_open_or_shut_and_nothing_between():
    model, tokens = tiny_hybrid("gated-single"), random_tokens(2, 60)
    read = {"prompt_share": model.model.read_prompt(tokens[:, :9])}
    (gate,), said = model.model.gates.values(), []
    gate.register_forward_hook(lambda module, args, p_V: said.append(p_V.unique().tolist()))
    model(tokens)
    model(tokens, **read)
    logits_in_chunks(model, tokens, (13, 1), **read)
    assert len(said[0]) > 4
    assert said[1] == [0.0, 1.0]
    assert {p for values in said[2:] for p in values} == {0.0, 1.0}


@torch.no_grad()
def test_what_was_read_of_other_rows_is_refused():
    model, tokens = tiny_hybrid("gated"), random_tokens(4, 9)
    for wrong in (model.model.read_prompt(tokens)[:3], model.model.read_prompt(tokens)[..., 0]):
        with pytest.raises(ValueError, match=r"prompt_share: give \(4 rows, tokens of the prompt, 1 packs\)"):
            model(tokens, prompt_share=wrong)


@torch.no_grad()
def test_without_ids_or_gates_there_is_nothing_to_read():
    model, tokens = tiny_hybrid("gated"), random_tokens(1, 9)
    embedded = model.model.embed_tokens(tokens)
    assert model.generate(inputs_embeds=embedded, max_new_tokens=3, **GREEDY).shape == (1, 3)
    assert tiny_hybrid("causal").model.read_prompt(tokens) is None
