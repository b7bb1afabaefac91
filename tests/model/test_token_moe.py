"""The bias that keeps loads even: where it goes, what it changes and what not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.model.token_moe import balancing_bias, follow_loads, follow_sums, route_tokens, routed_sums
from tests.conftest import random_tokens, tiny_hybrid, tiny_routing
from tests.model.layouts import step_in_place


def _loads(logits: torch.Tensor, moe, bias: torch.Tensor) -> torch.Tensor:
    return route_tokens(logits, moe, bias).chosen[:, :-1].sum(dim=0).float()


def test_a_step_in_numbers():
    loads = torch.tensor([0.0, 30.0, 60.0])  # short of the mean by all, by nothing, over it by as much again
    torch.testing.assert_close(follow_loads(torch.zeros(3), loads, 0.5), torch.tensor([0.5, 0.0, -0.5]))
    moved = follow_loads(torch.zeros(3), torch.tensor([0.0, 0.0, 90.0]), 0.5)  # at most a step: 0.5, 0.5, -0.5
    torch.testing.assert_close(moved, torch.tensor([1 / 3, 1 / 3, -2 / 3]))
    bias = torch.tensor([0.2, -0.2, 0.0])
    torch.testing.assert_close(follow_loads(bias, torch.zeros(3), 0.5), bias)


def test_a_step_is_in_standard_deviations_of_the_logits_and_batches_add_up():
    logits, moe = torch.randn(60, 4) * torch.tensor([1.0, 2.0, 3.0, 9.0]) + 5, tiny_routing()
    chosen = torch.zeros(60, 4, dtype=torch.bool)
    chosen[:, [0, 3]] = True
    parts = [routed_sums(logits[rows], chosen[rows]) for rows in (slice(0, 7), slice(7, 60))]
    spread = logits[:, :3].std(dim=0, correction=0).mean().item()
    expected = follow_loads(torch.zeros(3), torch.tensor([60.0, 0.0, 0.0]), moe.token_bias_rate * spread)
    torch.testing.assert_close(follow_sums(torch.zeros(3), parts[0] + parts[1], moe.token_bias_rate), expected)
    padded = routed_sums(torch.cat([logits, torch.zeros(9, 4)]), torch.cat([chosen, torch.zeros(9, 4).bool()]))
    torch.testing.assert_close(padded, parts[0] + parts[1])
    nothing = routed_sums(logits[:0], chosen[:0])
    assert torch.equal(follow_sums(torch.ones(3) * 0, nothing, 0.2), torch.zeros(3))


@settings(max_examples=15)
@given(spread=st.floats(0.01, 30), lean=st.lists(st.floats(-3, 3), min_size=5, max_size=5), top_k=st.integers(2, 4))
def test_loads_become_even_whatever_the_logits_lean_to(spread: float, lean: list[float], top_k: int):
    moe = tiny_routing("token-only", num_token_experts=6, token_top_k=top_k)
    noise = torch.randn(2000, 6, generator=torch.Generator().manual_seed(0))
    logits = spread * (noise + torch.tensor([*lean, 0.0]))
    loads = _loads(logits, moe, balancing_bias(logits, torch.zeros(5), moe))
    assert (loads / loads.mean() - 1).abs().max() < 0.1


@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_steps_settle_from_one_expert_for_all_tokens_and_stay(scale: float):
    """They follow a router that leans ever further to one expert, without a pendulum's swing."""
    moe, bias = tiny_routing(), torch.zeros(3)
    noise = torch.randn(30, 1024, 4, generator=torch.Generator().manual_seed(0))
    for step, batch in enumerate(noise):
        logits = scale * (batch + torch.tensor([3.0 + 0.05 * step, 0.0, 0.0, 0.0]))
        loads = _loads(logits, moe, bias)
        if step == 0:
            assert loads[0] / loads.mean() > 2.8
        if step >= 20:
            assert loads.min() / loads.mean() > 0.5
            assert loads.max() / loads.mean() < 2
        bias = follow_sums(bias, routed_sums(logits, route_tokens(logits, moe, bias).chosen), moe.token_bias_rate)


def test_a_model_in_training_moves_its_bias_with_the_step_and_keeps_it_in_files_of_bfloat16(tmp_path):
    model = tiny_hybrid().train()
    layer, seen = model.hybrid_layers[1], []
    layer.observer = lambda layer, plan, routed: seen.append(routed.tokens)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    tokens = random_tokens(3, 22)
    model(input_ids=tokens, labels=tokens).loss.backward()
    assert not layer.token_bias.any()
    optimizer.step()
    sums = routed_sums(seen[0].logits, seen[0].chosen)
    torch.testing.assert_close(layer.token_bias, follow_sums(torch.zeros(3), sums, layer.moe.token_bias_rate))
    assert layer.token_bias.any()
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path, dtype=torch.bfloat16)
    for name, buffer in layer.named_buffers(recurse=False):
        assert torch.equal(loaded.hybrid_layers[1].get_buffer(name), buffer)


def test_a_batch_of_no_numbers_leaves_the_bias_a_number():
    model, tokens = tiny_hybrid().train(), random_tokens(3, 13)
    embeddings = model.get_input_embeddings()(tokens).detach()
    model(inputs_embeds=embeddings * float("nan"), labels=tokens)  # a step that a loop passes over
    step_in_place(model, tokens)
    for layer in model.hybrid_layers.values():
        assert all(buffer.isfinite().all() for buffer in layer.buffers(recurse=False))
        assert layer.token_bias.any()


def test_a_model_of_another_dtype_and_files_without_a_bias_begin_with_one_in_float32(tmp_path):
    model = tiny_hybrid()
    made = type(model)._from_config(model.config, dtype=torch.bfloat16)
    for layer in made.hybrid_layers.values():
        assert {buffer.dtype for buffer in layer.buffers(recurse=False)} == {torch.float32}
        assert torch.equal(layer.segment_threshold, torch.full((3,), 1 / 3))
        assert not layer.segment_start.any()
    layer = model.hybrid_layers[1]
    layer.segment_threshold.fill_(0.2)
    weights = {name: value for name, value in model.state_dict().items() if not name.endswith("token_bias")}
    model.save_pretrained(tmp_path, state_dict=weights)
    loaded = type(model).from_pretrained(tmp_path)
    assert not loaded.hybrid_layers[1].token_bias.any()
    assert torch.equal(loaded.hybrid_layers[1].segment_threshold, layer.segment_threshold)


def test_notes_do_not_pile_up_where_no_optimiser_has_the_routers():
    model, tokens = tiny_hybrid().train(), random_tokens(2, 9)
    for _ in range(70):
        model(input_ids=tokens)
    assert len(model.hybrid_layers[1]._noted_gates) == 64
