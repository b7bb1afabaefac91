"""Router statistics against loops over routing decisions that are recorded separately."""

import json
import math
from typing import Any

import pytest
import torch

from multipl_moe.model.statistics import LayerStatistics, observe_routing, observe_with
from tests.conftest import random_tokens, tiny_hybrid


@torch.no_grad()
def _recorded(model: Any, batches: list[dict[str, Any]]) -> tuple[dict[int, LayerStatistics], dict[int, list[Any]]]:
    """Statistics of forward passes, and each layer's decisions in them."""
    statistics = {index: LayerStatistics() for index in model.hybrid_layers}
    passes: dict[int, list[Any]] = {index: [] for index in statistics}

    def observe(layer: Any, plan: Any, routed: Any) -> None:
        statistics[layer.index](layer, plan, routed)
        passes[layer.index].append(routed)

    with observe_with(model, dict.fromkeys(statistics, observe)):
        for batch in batches:
            model(**batch)
    return statistics, passes


def _padded(num_rows: int, num_tokens: int, seed: int) -> dict[str, torch.Tensor]:
    mask = torch.ones(num_rows, num_tokens, dtype=torch.long)
    mask[0, num_tokens // 2 :] = 0
    return {"input_ids": random_tokens(num_rows, num_tokens, seed), "attention_mask": mask}


def _entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0) / math.log(len(row))


_BATCHES = [_padded(2, 22, 0), {"input_ids": random_tokens(3, 9, 1)}]
_NUM_TOKENS = 22 + 11 + 27
_NUM_SEGMENTS = 6 + 3 + 3 * 3  # of four tokens


def test_sums_over_passes_equal_a_loop_over_the_decisions():
    model = tiny_hybrid(segment_capacity=1.4).train()
    statistics, passes = _recorded(model, _BATCHES)
    for index, own in passes.items():
        assert len(own) == 2
        scores = [row for one in own for row in one.tokens.scores.tolist()]
        chosen = [row for one in own for row in one.tokens.chosen.tolist()]
        gates = [row for one in own for row in one.tokens.gates.tolist()]
        summary = statistics[index].summary()
        assert len(scores) == statistics[index].num_tokens == _NUM_TOKENS
        token_load = [sum(column) / _NUM_TOKENS for column in zip(*chosen, strict=True)]
        assert summary["token_load"] == pytest.approx(token_load)
        assert summary["token_load"][-1] == 1
        assert summary["token_entropy"] == pytest.approx(sum(map(_entropy, scores)) / _NUM_TOKENS, rel=1e-4)
        assert summary["shared_share"] == pytest.approx(sum(row[-1] for row in gates) / _NUM_TOKENS, rel=1e-4)

        segment_gates = [row for one in own for row in one.segments.gates.tolist()]
        taken = [row for one in own for row in one.segments.chosen.tolist()]
        num_segments = len(segment_gates)
        assert num_segments == statistics[index].num_segments == _NUM_SEGMENTS
        segment_load = [sum(column) / num_segments for column in zip(*taken, strict=True)]
        assert summary["segment_load"] == pytest.approx(segment_load)
        entropy = sum(map(_entropy, segment_gates)) / num_segments
        assert summary["segment_entropy"] == pytest.approx(entropy, rel=1e-4)
        assert summary["threshold"] == pytest.approx(model.hybrid_layers[index].segment_threshold.tolist())
        assert json.loads(json.dumps(summary)) == summary


def test_experts_with_almost_nothing_are_dead_and_the_shared_one_never_is():
    statistics = LayerStatistics(num_tokens=1000, num_segments=1000, threshold=torch.full((3,), 0.3))
    statistics.token_counts, statistics.segment_counts = torch.tensor([999, 1, 0, 1000]), torch.tensor([995, 5, 0])
    summary = statistics.summary()
    assert summary["dead_token_experts"] == 2  # 1/1000 and 0, less than a hundredth of a third
    assert summary["dead_segment_experts"] == 1  # 5/1000 is more than a hundredth of a third


@pytest.mark.parametrize(("preset", "absent"), [("token-only", "segment"), ("segments alone", "token")])
def test_keys_of_an_absent_router_are_left_out(preset: str, absent: str):
    model = tiny_hybrid(preset)
    with observe_routing(model) as statistics, torch.no_grad():
        model(input_ids=random_tokens(2, 12))
    for layer in statistics.values():
        summary = layer.summary()
        assert summary
        assert not [key for key in summary if absent in key]
        assert getattr(layer, f"{absent}_load") == []


def test_observing_does_not_change_the_output_and_keeps_no_graph():
    model = tiny_hybrid().train()
    tokens = random_tokens(2, 12)
    expected = model(input_ids=tokens).logits
    model = tiny_hybrid().train()
    with observe_routing(model) as statistics:
        logits = model(input_ids=tokens).logits
    assert torch.equal(logits, expected)
    for layer in statistics.values():
        sums = (layer.token_counts, layer.segment_counts, layer.threshold)
        assert not any(tensor is None or tensor.requires_grad for tensor in sums)
        assert all(isinstance(value, float) for value in (layer.token_entropy_sum, layer.shared_gate_sum))


def test_earlier_observers_come_back_on_exit_also_after_an_error():
    model = tiny_hybrid()
    with observe_routing(model) as outer:
        with observe_routing(model) as inner, torch.no_grad():
            model(input_ids=random_tokens(2, 12))
        assert all(model.hybrid_layers[index].observer is outer[index] for index in (1, 2))
        assert outer[1].num_tokens == 0
        assert outer[1].summary() == {}
        assert inner[1].num_tokens == 24
        with pytest.raises(RuntimeError, match="stop"), observe_routing(model):
            raise RuntimeError("stop")
        assert all(model.hybrid_layers[index].observer is outer[index] for index in (1, 2))
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
