"""The domain gate against a slow reference: what it reads, what it says, and what comes of it (design 5)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from multipl_moe.model import hybrid as hybrid_module
from multipl_moe.model.gate_reading import WORD
from multipl_moe.model.gated import Adapter, GatedBlock
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import PACK, RoutingPass, waiting_pass
from multipl_moe.model.segments import places_for, plan_segments
from tests.conftest import random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY, lay_out, logits_in_chunks
from tests.model.small_gate import NUM_TOKENS, STRIDE, place, said_of_text, small_gate, texts
from tests.reference import documents_of

_ROWS = st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(1, 19), max_size=3)), min_size=1, max_size=4)


def _plan(positions: Tensor, mask: Tensor | None, window: int | None = 8, stride: int = STRIDE, **settings: Any) -> Any:
    return plan_segments(positions, mask, window=window, stride=stride, **settings)


@settings(max_examples=40)
@given(rows=_ROWS, seed=st.integers(0, 99), fixed=st.booleans(), stride=st.sampled_from([1, STRIDE, 7]))
def test_it_says_of_packed_and_padded_rows_what_the_words_of_its_class_say(rows, seed, fixed, stride):
    gate = small_gate(stride=stride)
    positions, mask = lay_out(rows, length=1)
    tokens = torch.zeros(positions.shape, dtype=torch.long)
    documents = documents_of(positions, mask)
    expected = {}
    for document, text in zip(documents, texts(seed, [len(document) for document in documents]), strict=True):
        for where, token, p in zip(document, text, said_of_text(gate, text), strict=True):
            tokens[where], expected[where] = token, p
    places = places_for(positions.shape, stride, packed=True) if fixed else None
    plan = _plan(positions, mask, window=None, stride=stride, num_places=places)
    said_N = gate(plan.of_real(tokens.flatten()), plan)[plan.segment_of_token]
    if plan.is_real is not None:
        said_N = said_N[plan.is_real]
    assert said_N.tolist() == pytest.approx([expected[where] for where in sorted(expected)], abs=1e-4)


@pytest.mark.parametrize("slope", [0.2, 3.0])
def test_in_long_segments_chances_and_evidence_are_bounded_as_the_words_of_its_class_say(slope: float):
    gate = small_gate(stride=40, bound=0.0)
    gate.calibration[:, 0] = slope
    for text in texts(4, [400] * 4):
        assert gate.p_of_text(text)[:-1].tolist() == pytest.approx(said_of_text(gate, text), abs=1e-4)


@pytest.mark.parametrize(
    ("sizes", "windows", "stride"),
    [
        ([1], 8, STRIDE),
        ([3, 5, 2], None, STRIDE),
        ([19, 1], 8, STRIDE),
        ([7, 13], None, STRIDE),
        ([24, *[1] * 6, 5], None, STRIDE),
        ([2], None, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_it_says_of_chunks_is_what_it_says_of_the_whole(seed, sizes, windows, stride):
    gate, tokens = small_gate(stride=stride), torch.tensor(texts(seed, [40] * 3))
    positions = torch.arange(40) - torch.tensor([[0], [3], [22]])  # rows with padding before them, to other segments
    if seed == 2:
        positions = torch.arange(5, 45).expand(3, -1)  # rows that begin in the middle of a segment
    mask = positions >= 0
    plan = _plan(positions, mask, stride=stride)
    whole = gate(plan.of_real(tokens.flatten()), plan)[plan.segment_of_token]
    assert len(whole.unique()) > 5
    state, begin, said = gate.empty_state(3), 0, torch.zeros(3, 40)
    for size in [*sizes, *[1] * 40]:
        chunk = slice(begin, min(begin + size, 40))
        real = mask[:, chunk]
        plan = _plan(positions[:, chunk], real, window=windows, stride=stride, cached=True)
        said[:, chunk][real] = gate(tokens[:, chunk][real], plan, state)[plan.segment_of_token]
        begin = chunk.stop
        if begin == 40:
            break
    torch.testing.assert_close(said[mask], whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize("num_read", [11, 12])
def test_complete_segments_before_embeddings_count_after_them(num_read: int):
    def said_after(tokens: list[int], sizes: list[int]) -> Tensor:
        gate, begin = small_gate(bound=0.0), 0
        state, p = gate.empty_state(1), torch.zeros(0)
        for size in [*sizes, -8, 20 - num_read]:
            end = begin + abs(size)
            plan = _plan(torch.arange(begin, end)[None], None, window=None, cached=True)
            p = gate.pass_over(plan, state) if size < 0 else gate(torch.tensor(tokens[begin:end]), plan, state)
            begin = end
        return p[1:]

    text = [9, 10, 11, 12] * 7
    steps, chunk = (said_after(text, sizes) for sizes in ([1] * num_read, [num_read]))
    torch.testing.assert_close(steps, chunk, rtol=0, atol=1e-6)
    others = said_after([*text[:8], 13, 14, 15, 16, *text[12:]], [num_read])
    assert torch.equal(others, chunk) == (num_read < 12)


def test_in_the_longest_texts_nothing_overflows_and_it_changes_its_mind():
    gate = small_gate(bound=0.05)
    gate.calibration.copy_(torch.tensor([20.0, 0.0]))
    gate.pair_scores.zero_()
    for one, score in ((9, 127), (10, -127)):
        gate.pair_scores[0, place(one, one), :2] = score  # for the languages
    tokens = torch.tensor([9] * 4000 + [10] * 4000 + [9] * 400)
    said = gate(tokens, _plan(torch.arange(len(tokens))[None], None))
    assert said.isfinite().all()
    assert said[[999, 1003, 2000, 2003]].tolist() == [1, 0, 0, 1]
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(gate(tokens, _plan(torch.arange(len(tokens))[None], None)), said)


def test_without_token_ids_it_stays_shut_and_new_tokens_are_words_like_others():
    model, tokens = tiny_hybrid("gated"), random_tokens(2, 29)
    found = model(inputs_embeds=model.model.embed_tokens(tokens)).logits
    assert torch.equal(found, model(tokens, open_share=0.0).logits)
    read = model(inputs_embeds=model.model.embed_tokens(tokens[:, :14]), use_cache=True)
    shut = model(tokens[:, :14], open_share=0.0, use_cache=True)
    after, expected = model(tokens[:, 14:16], cache=read.cache), model(tokens[:, 14:16], cache=shut.cache, open_share=0)
    torch.testing.assert_close(after.logits, expected.logits, rtol=0, atol=1e-5)
    gate = small_gate()
    gate.resize(NUM_TOKENS + 2)
    assert gate.token_kinds.tolist() == [*small_gate().token_kinds.tolist(), WORD, WORD]


def _gradients(layer: nn.Module, y: Tensor) -> tuple[Tensor, ...]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((y * weights).sum(), [*layer.parameters()], materialize_grads=True)


@pytest.mark.parametrize(
    ("preset", "in_places", "overrides"),
    [
        ("causal", False, {}),
        ("causal", True, {"fusion": "fixed"}),
        ("token-only", True, {}),
        ("causal", False, {"type": "lora"}),
        ("causal", True, {"type": "lora"}),
    ],
)
def test_the_output_lies_between_the_frozen_block_and_the_layer(preset, in_places, overrides, monkeypatch):
    monkeypatch.setattr(hybrid_module, "takes_places", lambda device: in_places)
    layer = tiny_hybrid(preset, languages=["one"], **overrides).model.hybrid_layers[1]
    x, shares = torch.randn(2, 11, 32), [0.0, 0.3, 1.0, 0.8]
    plan = _plan(torch.arange(11).expand(2, -1), None)
    routing = RoutingPass(plan)
    routing.open_V[PACK] = torch.tensor(shares)[torch.arange(plan.num_segments) % 4]
    p = routing.open_V[PACK][plan.segment_of_token].view(2, 11, 1)
    found, block = layer(x, routing), layer.shared_expert(x)
    expected = block + p * (layer(x, RoutingPass(plan)) - block)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert torch.equal(found[p.expand_as(found) == 0], block[p.expand_as(found) == 0])
    torch.testing.assert_close(_gradients(layer, found), _gradients(layer, expected), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_row_that_is_known_to_be_of_another_kind_gets_the_bases_logits_to_the_bit():
    model, dense, tokens = tiny_hybrid("gated"), tiny_hybrid("gated"), random_tokens(3, 29)
    for index, layer in dense.model.hybrid_layers.items():
        dense.model.layers[index].mlp = layer.shared_expert
    plan_free = {"routing": RoutingPass(_plan(torch.arange(29).expand(3, -1), None))}
    expected = dense.lm_head(dense.model.base_decoder(tokens, use_cache=False, **plan_free).last_hidden_state)
    assert torch.equal(model(tokens, open_share=0.0).logits, expected)
    by_row = model(tokens, open_share=torch.tensor([0.0, 1.0, 0.4])).logits
    torch.testing.assert_close(by_row[0], expected[0], rtol=0, atol=1e-5)
    assert (by_row[1:] - expected[1:]).abs().amax(dim=(1, 2)).min() > 1e-3


@torch.no_grad()
def test_a_row_that_is_known_to_be_of_a_kind_to_learn_gets_the_hybrids_logits_to_the_bit():
    model, tokens = tiny_hybrid("gated"), random_tokens(3, 29)
    plain = tiny_hybrid("causal")
    assert torch.equal(model(tokens, open_share=1.0).logits, plain(tokens).logits)
    assert not torch.allclose(model(tokens).logits, plain(tokens).logits, atol=1e-3)


@torch.no_grad()
def test_what_is_known_of_a_row_holds_in_generation():
    model, tokens = tiny_hybrid("gated"), random_tokens(2, 9)
    settings = GREEDY | {"max_new_tokens": 12, "num_beams": 3}
    expected = tiny_hybrid("causal").generate(tokens, **settings)
    for use_cache in (True, False):
        found = model.generate(tokens, open_share=torch.ones(2), use_cache=use_cache, **settings)
        assert torch.equal(found, expected)


@torch.no_grad()
def test_in_training_the_gate_is_open():
    model, tokens = tiny_hybrid("gated").train(), random_tokens(3, 29)
    assert torch.equal(model(tokens).logits, tiny_hybrid("causal").train()(tokens).logits)


@torch.no_grad()
def test_a_documents_first_token_opens_less_wherever_it_lies_unless_the_kind_is_known():
    model = tiny_hybrid("single", languages=["one", "other"], start=0.9)
    seen: list[Tensor] = []

    def note(block: nn.Module, args: Any) -> None:
        share_BT1 = waiting_pass().share_of(PACK, args[0])
        assert share_BT1 is not None
        seen.append(share_BT1.flatten())

    model.model.layers[2].mlp.register_forward_pre_hook(note)
    packed, mask = torch.tensor([[0, 1, 2, 0, 0, 1, 2]]), torch.tensor([[0, 0, 1, 1, 1, 1, 1]])
    model(random_tokens(1, 7), position_ids=packed)
    model(random_tokens(1, 7), attention_mask=mask)
    model(random_tokens(1, 7), open_share=1.0)
    first, rest = pytest.approx(0.6), pytest.approx(0.9)
    assert seen[0].tolist() == [first, rest, rest, first, first, rest, rest]
    assert seen[1].tolist()[:6] == [0.0, 0.0, first, rest, rest, rest]
    assert seen[2].tolist() == [1.0] * 7


@torch.no_grad()
def test_a_model_in_bfloat16_has_the_gate_that_was_fitted(tmp_path: Path):
    model = tiny_hybrid("gated")
    fitted = {name: buffer.clone() for name, buffer in model.model.domain_gates["pack"].named_buffers()}
    text = random_tokens(1, 400)[0].tolist()
    said = model.model.domain_gates["pack"].p_of_text(text)
    model.save_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for other in (model.to(torch.bfloat16), loaded):
        assert other.lm_head.weight.dtype == torch.bfloat16
        for name, buffer in other.model.domain_gates["pack"].named_buffers():
            assert torch.equal(buffer, fitted[name])
            assert buffer.dtype == fitted[name].dtype
        assert torch.equal(other.model.domain_gates["pack"].p_of_text(text), said)
        other(random_tokens(2, 29))


def test_a_row_that_is_known_to_be_of_another_kind_can_be_in_a_batch_that_trains():
    model, tokens = tiny_hybrid("gated").train(), random_tokens(3, 29)
    loss = model(tokens, labels=tokens, open_share=0.0).loss
    assert (loss - model(tokens, labels=tokens).loss).abs() > 1e-3
    loss.backward()
    for layer in model.model.hybrid_layers.values():
        for parameter in layer.experts.parameters():
            assert parameter.grad is None or not parameter.grad.any()


@torch.no_grad()
@pytest.mark.parametrize("preset", ["gated", "gated-single", "gated-pack"])
def test_where_the_gate_itself_never_opens_the_model_is_the_base_and_no_expert_runs(preset: str, monkeypatch):
    model, tokens = tiny_hybrid(preset, start=0.0), random_tokens(2, 29)
    expected = model(tokens, open_share=0.0).logits
    assert not torch.allclose(model(tokens).logits, expected, atol=1e-3)
    model.model.domain_gates["pack"].calibration.copy_(torch.tensor([0.0, -9.0]))
    monkeypatch.setattr(HybridMoe, "add_experts", None)
    monkeypatch.setattr(Adapter, "forward", None)
    for block in (layer.mlp for layer in model.model.layers if isinstance(layer.mlp, GatedBlock)):
        monkeypatch.setattr(block.experts["pack"], "forward", None)
    assert torch.equal(model(tokens).logits, expected)
    torch.testing.assert_close(logits_in_chunks(model, tokens), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shares", [torch.ones(2), torch.ones(3, 2)])
def test_what_is_known_is_of_each_row(shares: Tensor):
    with pytest.raises(ValueError, match="open_share: give one number, or one for each of the 3 rows"):
        tiny_hybrid("gated")(random_tokens(3, 9), open_share=shares)
