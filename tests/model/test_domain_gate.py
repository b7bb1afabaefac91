"""The domain gate against a slow reference: what it reads, what it says, and what comes of it (design 5)."""

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.model import hybrid as hybrid_module
from multipl_moe.model.domain_gate import FIRST_TOKEN_SHARE, NUM_BINS, DomainGate, gate_layer, sums_before
from multipl_moe.model.gated import GatedBlock
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import PACK, RoutingPass, waiting_pass
from multipl_moe.model.segments import plan_segments
from tests.conftest import CAUSAL_PRESETS, random_tokens, randomise, tiny_base_config, tiny_hybrid, tiny_moe
from tests.model.layouts import lay_out
from tests.reference import documents_of

_WINDOW, _STRIDE = 8, 4
_ROWS = st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(1, 19), max_size=3)), min_size=1, max_size=4)


def _plan(positions: Tensor, mask: Tensor | None, **settings: Any) -> Any:
    return plan_segments(positions, mask, window=_WINDOW, stride=_STRIDE, lookahead=False, **settings)


def _reference_sums(values_BTK: Tensor, positions: Tensor, mask: Tensor) -> list[Tensor]:
    """Of each segment, in order, the sum over the document's tokens before it."""
    sums = []
    for document in documents_of(positions, mask):
        begun: dict[int, int] = {}
        for place, token in enumerate(document):
            begun.setdefault(int(positions[token]) // _STRIDE, place)
        for first in begun.values():
            before = [values_BTK[token] for token in document[:first]]
            sums.append(torch.stack(before).sum(dim=0) if before else torch.zeros(values_BTK.shape[-1]))
    return sums


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS, seed=st.integers(0, 99))
def test_sums_are_over_the_documents_tokens_before_each_segment(rows: list[tuple[int, list[int]]], seed: int):
    positions, mask = lay_out(rows, length=1)
    values = torch.randn(*positions.shape, 3, generator=torch.Generator().manual_seed(seed))
    plan = _plan(positions, mask)
    flat = values.flatten(0, 1)
    real = flat if plan.real_tokens is None else flat[plan.real_tokens]
    sums = sums_before(real, plan, None)
    expected = _reference_sums(values, positions, mask)
    assert len(sums) == len(expected)
    for found, wanted in zip(sums, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("windows", [_WINDOW, None])
@pytest.mark.parametrize("sizes", [[1], [3, 5, 2], [4], [19, 1], [7, 13]], ids=str)
def test_what_it_says_of_chunks_is_what_it_says_of_the_whole(sizes: list[int], windows: int | None):
    gate, reads = _gate(), 3 * torch.randn(3, 40, 7)
    positions = torch.arange(40) - torch.tensor([[0], [3], [22]])  # rows with padding before them, to other segments
    mask = positions >= 0
    plan = _plan(positions, mask)
    whole = gate(reads.flatten(0, 1)[plan.real_tokens], plan)[plan.segment_of_token]
    assert (whole == 0).any()
    assert len(whole.unique()) > 5
    state, begin, said = gate.empty_state(3), 0, torch.zeros(3, 40)
    for size in [*sizes, *[1] * 40]:
        chunk = slice(begin, min(begin + size, 40))
        real = mask[:, chunk]
        settings = {"window": windows, "stride": _STRIDE, "lookahead": False, "cached": True}
        plan = plan_segments(positions[:, chunk], real, **settings)
        said[:, chunk][real] = gate(reads[:, chunk][real], plan, state)[plan.segment_of_token]
        begin = chunk.stop
        if begin == 40:
            break
    torch.testing.assert_close(said[mask], whole, rtol=0, atol=1e-4)


def _gate(hidden: int = 5) -> DomainGate:
    gate, generator = DomainGate(2, hidden, 9, start=0.1, bound=0.2), torch.Generator().manual_seed(3)
    for name, buffer in gate.named_buffers():
        if name == "token_scores":
            buffer.copy_(torch.linspace(-16, 16, len(buffer))[:, None] * torch.tensor([1.0, -1.0]))
            continue
        drawn = torch.rand(buffer.shape, generator=generator)
        buffer.copy_(drawn * (0.02 if name == "directions" else 1) + (0.5 if name in ("scale", "widths") else 0))
    return gate


def test_what_it_says_is_what_the_densities_say():
    gate, x, tokens = _gate(), 3 * torch.randn(1, 50, 5), torch.randint(0, 9, (1, 50))
    plan = _plan(torch.arange(50)[None], None)
    said, best = gate(gate.reads(x, tokens)[0], plan), set[int]()
    for segment, p in enumerate(said.tolist()):
        num_tokens = segment * _STRIDE
        if not num_tokens:
            assert p == pytest.approx(0.1)
            continue
        z = (x[0, :num_tokens].mean(dim=0) - gate.center) / gate.scale
        densities = []
        for kind in range(3):
            away = (z - gate.means[kind]).tolist()
            along = sum(sum(a * float(d) for a, d in zip(away, row, strict=True)) ** 2 for row in gate.directions[kind])
            square = float(gate.precisions[kind]) * sum(a * a for a in away) - along
            densities.append(float(gate.constants[kind]) - square / 2)
        place = min(max(round(num_tokens / 16), 1), NUM_BINS) - 1
        scores = []
        for language in range(2):
            of_tokens = [float(gate.token_scores[token, language]) for token in tokens[0, :num_tokens]]
            scores.append(densities[language] - densities[2] + sum(of_tokens) / num_tokens)
        score = max(scores)
        best |= {scores.index(score)} if p > 0 else set()
        expected = 1 / (1 + math.exp(-(score - float(gate.thresholds[place])) / float(gate.widths[place])))
        assert p == pytest.approx(expected if expected >= 0.2 else 0.0, abs=1e-4)
    assert (said == 0).any()
    assert ((said > 0) & (said != said[0])).any()
    assert best == {0, 1}


def test_without_token_ids_and_for_tokens_that_are_new_states_alone_count():
    gate, x = _gate(), torch.randn(2, 7, 5)
    gate.resize(11)
    for tokens in (None, torch.full((2, 7), 10)):
        assert torch.equal(gate.reads(x, tokens), torch.cat([x, torch.zeros(2, 7, 2)], dim=2))
    gate.resize(3)
    assert torch.equal(gate.token_scores, _gate().token_scores[:3])


@torch.no_grad()
def test_a_model_whose_vocabulary_grows_says_what_it_said(tmp_path: Path):
    model, tokens = tiny_hybrid("gated"), random_tokens(2, 29)
    before = model(tokens).logits
    model.resize_token_embeddings(before.shape[-1] + 3)
    model.save_pretrained(tmp_path)
    for other in (model, AutoModelForCausalLM.from_pretrained(tmp_path).eval()):
        torch.testing.assert_close(other(tokens).logits[..., :-3], before, rtol=0, atol=1e-5)
        assert not torch.allclose(other(inputs_embeds=other.model.embed_tokens(tokens)).logits[..., :-3], before)


@torch.no_grad()
def test_a_gate_from_before_it_read_tokens_goes_by_states(tmp_path: Path):
    model, tokens = tiny_hybrid("gated"), random_tokens(2, 29)
    model.model.domain_gates["pack"].token_scores.zero_()
    expected = model(tokens).logits
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(
        {name: value for name, value in tensors.items() if "token_scores" not in name},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(tokens).logits, expected, rtol=0, atol=1e-5)


def _layer(preset: str, **overrides: Any) -> Any:
    return tiny_hybrid(preset, languages=["one"], **overrides).model.hybrid_layers[1]


def _gradients(layer: nn.Module, y: Tensor) -> list[Tensor]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    parameters = list(layer.parameters())
    found = torch.autograd.grad((y * weights).sum(), parameters, allow_unused=True)
    return [torch.zeros_like(one) if g is None else g for one, g in zip(parameters, found, strict=True)]


@pytest.mark.parametrize("in_places", [False, True])
@pytest.mark.parametrize("expert_type", ["full", "lora"])
@pytest.mark.parametrize("preset", [*CAUSAL_PRESETS[:-2], "fixed"])
def test_the_output_lies_between_the_frozen_block_and_the_layer(
    preset: str, expert_type: str, in_places: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hybrid_module, "takes_places", lambda device: in_places)
    overrides = {"fusion": "fixed"} if preset == "fixed" else {}
    layer = _layer("causal" if preset == "fixed" else preset, type=expert_type, **overrides)
    x, shares = torch.randn(2, 11, 32), [0.0, 0.3, 1.0, 0.8]
    plan = _plan(torch.arange(11).expand(2, -1), None)
    routing = RoutingPass(plan)
    routing.open_V[PACK] = torch.tensor(shares)[torch.arange(plan.num_segments) % 4]
    p = routing.open_V[PACK][plan.segment_of_token].view(2, 11, 1)
    found, block = layer(x, routing), layer.shared_expert(x)
    expected = block + p * (layer(x, RoutingPass(plan)) - block)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert torch.equal(found[p.expand_as(found) == 0], block[p.expand_as(found) == 0])
    for found_one, expected_one in zip(_gradients(layer, found), _gradients(layer, expected), strict=True):
        torch.testing.assert_close(found_one, expected_one, rtol=1e-4, atol=1e-4)


def _base_of(model: Any) -> Any:
    """The dense model whose blocks are the frozen ones of a hybrid."""
    moe = tiny_moe("gated")
    plain: Any = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=tiny_base_config(), moe=moe.to_dict()))
    randomise(plain)
    for index, layer in plain.model.hybrid_layers.items():
        plain.model.layers[index].mlp = layer.shared_expert
    return plain.model.base_decoder, plain.lm_head


@torch.no_grad()
def test_a_row_that_is_known_to_be_of_another_kind_gets_the_bases_logits_to_the_bit():
    model, tokens = tiny_hybrid("gated"), random_tokens(3, 29)
    decoder, head = _base_of(model)
    plan_free = {"routing": RoutingPass(_plan(torch.arange(29).expand(3, -1), None))}
    expected = head(decoder(tokens, use_cache=False, **plan_free).last_hidden_state)
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
    settings: dict[str, Any] = {"max_new_tokens": 12, "eos_token_id": None, "pad_token_id": 0, "num_beams": 3}
    expected = tiny_hybrid("causal").generate(tokens, do_sample=False, **settings)
    for use_cache in (True, False):
        found = model.generate(tokens, open_share=torch.ones(2), do_sample=False, use_cache=use_cache, **settings)
        assert torch.equal(found, expected)


@torch.no_grad()
def test_in_training_the_gate_is_open():
    model, tokens = tiny_hybrid("gated").train(), random_tokens(3, 29)
    assert torch.equal(model(tokens).logits, tiny_hybrid("causal").train()(tokens).logits)


@torch.no_grad()
@pytest.mark.parametrize("preset", ["single", "token-only", "gated"])
def test_decoding_gives_what_the_full_pass_gives_and_asks_the_gate_once_a_segment(
    preset: str, monkeypatch: pytest.MonkeyPatch
):
    model, tokens = tiny_hybrid(preset, languages=["one", "other"]), random_tokens(2, 25)
    mask = torch.ones_like(tokens)
    mask[1, :3] = 0
    expected, cache, asked = model(tokens, attention_mask=mask).logits, None, 0
    posterior = DomainGate.posterior

    def counted(gate: DomainGate, *args: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return posterior(gate, *args)

    monkeypatch.setattr(DomainGate, "posterior", counted)
    for end in (5, *range(6, 26)):
        begin = 0 if end == 5 else end - 1
        output = model(tokens[:, begin:end], attention_mask=mask[:, :end], cache=cache, use_cache=True)
        cache, real = output.cache, mask[:, begin:end] == 1
        torch.testing.assert_close(output.logits[real], expected[:, begin:end][real], rtol=0, atol=1e-4)
    assert asked == 1 + 10, (
        "the prompt, and where a segment of 4 tokens begins: at 8, 12, ... 24 in one row, 3 later in the other"
    )


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
def test_packed_documents_are_read_as_each_by_itself():
    model = tiny_hybrid("gated")
    lengths = [13, 1, 22]
    tokens = random_tokens(1, sum(lengths))
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    packed = model(tokens, position_ids=positions).logits[0]
    alone = [model(part[None]).logits[0] for part in tokens[0].split(lengths)]
    torch.testing.assert_close(packed, torch.cat(alone), rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_model_in_bfloat16_has_the_gate_that_was_fitted(tmp_path: Path):
    model = tiny_hybrid("gated")
    fitted = {name: buffer.clone() for name, buffer in model.model.domain_gates["pack"].named_buffers()}
    model.save_pretrained(tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for other in (model.to(torch.bfloat16), loaded):
        assert other.lm_head.weight.dtype == torch.bfloat16
        for name, buffer in other.model.domain_gates["pack"].named_buffers():
            assert torch.equal(buffer, fitted[name])
        other(random_tokens(2, 29))


@torch.no_grad()
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deep", "pickled"]
)
def test_a_copy_of_a_model_asks_its_own_gate(copied: Any):
    model, tokens = tiny_hybrid("gated"), random_tokens(2, 29)
    other, before = copied(model), model(tokens).logits
    assert torch.equal(other(tokens).logits, before)
    other.model.domain_gates["pack"].thresholds.fill_(1e9)  # shut but for the first segment
    assert torch.equal(model(tokens).logits, before)
    assert not torch.allclose(other(tokens).logits, before, atol=1e-3)


def test_a_row_that_is_known_to_be_of_another_kind_can_be_in_a_batch_that_trains():
    model, tokens = tiny_hybrid("gated").train(), random_tokens(3, 29)
    loss = model(tokens, labels=tokens, open_share=0.0).loss
    assert (loss - model(tokens, labels=tokens).loss).abs() > 1e-3
    loss.backward()
    for layer in model.model.hybrid_layers.values():
        for parameter in layer.experts.parameters():
            assert parameter.grad is None or not parameter.grad.any()


@torch.no_grad()
@pytest.mark.parametrize("preset", ["gated", "gated-single"])
def test_where_the_gate_itself_never_opens_the_model_is_the_base_and_no_expert_runs(
    preset: str, monkeypatch: pytest.MonkeyPatch
):
    model, tokens = tiny_hybrid(preset, start=0.0), random_tokens(2, 29)
    expected = model(tokens, open_share=0.0).logits
    assert not torch.allclose(model(tokens).logits, expected, atol=1e-3)
    model.model.domain_gates["pack"].thresholds.fill_(1e9)
    monkeypatch.setattr(HybridMoe, "add_experts", None)
    for block in (layer.mlp for layer in model.model.layers if isinstance(layer.mlp, GatedBlock)):
        monkeypatch.setattr(block.experts["pack"], "forward", None)
    assert torch.equal(model(tokens).logits, expected)
    cache, said = None, []
    for place in range(29):
        output = model(tokens[:, place : place + 1], cache=cache, use_cache=True)
        cache = output.cache
        said.append(output.logits)
    torch.testing.assert_close(torch.cat(said, dim=1), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_row_of_no_numbers_spoils_no_other():
    gate, reads = _gate(), torch.randn(2, 29, 5)
    plan = _plan(torch.arange(29).expand(2, -1), None)
    before = gate(gate.reads(reads, None).flatten(0, 1), plan)
    reads[0, 7:9] = torch.tensor([math.nan, math.inf])[:, None]
    after = gate(gate.reads(reads, None).flatten(0, 1), plan)
    assert torch.equal(after[plan.row_of_segment == 1], before[plan.row_of_segment == 1])


def test_it_reads_a_quarter_of_the_way_up_or_before_the_first_layer_that_learns():
    assert gate_layer([0, 1, 2], 30) == 0
    assert gate_layer([7, 8, 9], 30) == 7
    assert gate_layer([22, 23], 30) == 7


@pytest.mark.parametrize("shares", [torch.ones(2), torch.ones(3, 2)])
def test_what_is_known_is_of_each_row(shares: Tensor):
    with pytest.raises(ValueError, match="open_share: give one number, or one for each of the 3 rows"):
        tiny_hybrid("gated")(random_tokens(3, 9), open_share=shares)


@torch.no_grad()
def test_a_gated_layer_that_is_given_a_pass_takes_it():
    layer, x = tiny_hybrid("gated", layers=[0, 1, 2]).model.layers[0].mlp, torch.randn(2, 11, 32)
    plain = tiny_hybrid("causal", layers=[0, 1, 2]).model.layers[0].mlp
    plan = _plan(torch.arange(11).expand(2, -1), None)
    routing = RoutingPass(plan)
    found = layer(x, routing)
    open_BT1 = routing.open_V[PACK][plan.segment_of_token].view(2, 11, 1).clone()
    open_BT1[:, 0] *= FIRST_TOKEN_SHARE
    block = plain.shared_expert(x)
    expected = block + open_BT1 * (plain(x, RoutingPass(plan)) - block)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
