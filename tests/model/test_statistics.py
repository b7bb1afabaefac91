"""Router statistics against loops over routing decisions that are recorded separately."""

import json
import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch

from multipl_moe.model import hybrid
from multipl_moe.model.routing_pass import LayerRouting
from multipl_moe.model.statistics import LayerStatistics, observe_routing
from tests import reference
from tests.conftest import random_tokens, tiny_hybrid


class _Pass(NamedTuple):
    tokens: Any
    segments: Any


def _recorded(model, batches: list[dict[str, Any]], monkeypatch) -> tuple[dict[int, LayerStatistics], list[_Pass]]:
    """Statistics of forward passes, and each layer's decisions in them as the layer itself used them."""
    passes: list[_Pass] = []
    original = hybrid.HybridMoe._route

    def route(self, x_NH, plan, routing):
        tokens, segments = original(self, x_NH, plan, routing)
        passes.append(_Pass(tokens, segments))
        return LayerRouting(tokens, segments)

    monkeypatch.setattr(hybrid.HybridMoe, "_route", route)
    with observe_routing(model) as statistics, torch.no_grad():
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


@pytest.mark.parametrize("training", [False, True])
def test_sums_over_passes_equal_a_loop_over_the_decisions(monkeypatch: pytest.MonkeyPatch, training: bool):
    model = tiny_hybrid().train(training)
    statistics, passes = _recorded(model, _BATCHES, monkeypatch)
    assert len(passes) == 4
    for position, index in enumerate((1, 2)):
        own = passes[position::2]
        scores = [row for one in own for row in one.tokens.scores.tolist()]
        chosen = [row for one in own for row in one.tokens.chosen.tolist()]
        gates = [row for one in own for row in one.tokens.gates.tolist()]
        summary = statistics[index].summary()
        assert len(scores) == statistics[index].num_tokens == _NUM_TOKENS
        assert summary["token_load"] == pytest.approx(
            [sum(column) / _NUM_TOKENS for column in zip(*chosen, strict=True)]
        )
        assert summary["token_load"][-1] == 1
        assert summary["token_entropy"] == pytest.approx(sum(map(_entropy, scores)) / _NUM_TOKENS, rel=1e-4)
        assert summary["shared_share"] == pytest.approx(sum(row[-1] for row in gates) / _NUM_TOKENS, rel=1e-4)

        segment_gates = [row for one in own for row in one.segments.gates.tolist()]
        taken = [row for one in own for row in one.segments.chosen.tolist()]
        num_segments = len(segment_gates)
        assert num_segments == statistics[index].num_segments
        assert summary["segment_load"] == pytest.approx(
            [sum(column) / num_segments for column in zip(*taken, strict=True)]
        )
        entropy = sum(map(_entropy, segment_gates)) / num_segments
        assert summary["segment_entropy"] == pytest.approx(entropy, rel=1e-4)
        columns = zip(*segment_gates, strict=True)
        quantiles = [reference.stored_threshold(list(column), 1.0, 3) for column in columns]
        stored = model.hybrid_layers[index].segment_threshold.tolist()
        assert summary["threshold"] == pytest.approx(stored)
        drift = [theta - quantile for theta, quantile in zip(stored, quantiles, strict=True)]
        assert summary["threshold_drift"] == pytest.approx(drift, abs=2e-5)
        assert max(map(abs, drift)) > 1e-3


def test_segments_and_tokens_of_padding_do_not_count(monkeypatch: pytest.MonkeyPatch):
    model = tiny_hybrid()
    statistics, _ = _recorded(model, [_padded(2, 22, 0)], monkeypatch)
    assert statistics[1].num_tokens == 22 + 11
    assert statistics[1].num_segments == 6 + 3  # stride 4


def _routing(chosen: list[list[int]], scores: list[list[float]]) -> Any:
    values = torch.tensor(scores)
    marked = torch.tensor(chosen, dtype=torch.bool)
    gates = values * marked
    return SimpleNamespace(scores=values, chosen=marked, gates=gates / gates.sum(1, keepdim=True))


def _segments(chosen: list[list[int]], gates: list[list[float]]) -> Any:
    return SimpleNamespace(gates=torch.tensor(gates), chosen=torch.tensor(chosen, dtype=torch.bool))


def _layer(threshold: list[float], capacity: float = 1.0) -> Any:
    return SimpleNamespace(moe=SimpleNamespace(segment_capacity=capacity), segment_threshold=torch.tensor(threshold))


def test_hand_computed_layer():
    statistics = LayerStatistics()
    tokens = _routing(
        [[1, 0, 1], [1, 0, 1], [0, 1, 1], [1, 0, 1]],
        [[0.5, 0.25, 0.25], [0.6, 0.2, 0.2], [0.1, 0.3, 0.6], [0.25, 0.0, 0.75]],
    )
    segments = _segments([[1, 0], [1, 0], [1, 1], [0, 1]], [[0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.3, 0.7]])
    statistics(_layer([0.5, 0.45]), SimpleNamespace(num_segments=4), tokens, segments)  # pyright: ignore[reportArgumentType]
    summary = statistics.summary()
    assert summary["token_load"] == [0.75, 0.25, 1.0]
    assert summary["shared_share"] == pytest.approx((1 / 3 + 1 / 4 + 2 / 3 + 3 / 4) / 4)
    assert summary["segment_load"] == [0.75, 0.5]
    assert summary["threshold"] == pytest.approx([0.5, 0.45])
    # each of two experts should take two of four segments: between 0.8 and 0.5, and between 0.5 and 0.2
    assert summary["threshold_drift"] == pytest.approx([0.5 - 0.65, 0.45 - 0.35], abs=2e-5)
    assert (summary["dead_token_experts"], summary["dead_segment_experts"]) == (0, 0)
    assert json.loads(json.dumps(summary)) == summary


def test_experts_with_almost_nothing_are_dead_and_the_shared_one_never_is():
    statistics = LayerStatistics()
    num = 1000
    chosen = [[1, 0, 0, 1]] * (num - 1) + [[0, 1, 0, 1]]
    tokens = _routing(chosen, [[0.25] * 4] * num)
    segments = _segments([[1, 0, 0]] * (num - 5) + [[0, 1, 0]] * 5, [[0.4, 0.3, 0.3]] * num)
    statistics(_layer([0.3, 0.3, 0.3]), SimpleNamespace(num_segments=num), tokens, segments)  # pyright: ignore[reportArgumentType]
    summary = statistics.summary()
    assert summary["dead_token_experts"] == 2  # 1/1000 and 0, less than a hundredth of a third
    assert summary["dead_segment_experts"] == 1  # 5/1000 is more than a hundredth of a third


def test_capacity_decides_how_many_segments_a_threshold_should_let_through():
    statistics = LayerStatistics()
    gates = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]
    layer = _layer([0.5, 0.5], capacity=1.5)
    statistics(layer, SimpleNamespace(num_segments=4), None, _segments([[1, 0]] * 4, gates))  # pyright: ignore[reportArgumentType]
    assert statistics.quantile_threshold().tolist() == pytest.approx([0.45, 0.15], abs=2e-5)


@pytest.mark.parametrize("probabilities", [[0.25] * 4, [1.0, 0.0, 0.0, 0.0]], ids=["uniform", "one expert"])
def test_entropy_is_1_for_uniform_scores_and_0_for_a_single_expert(probabilities: list[float]):
    statistics = LayerStatistics()
    tokens = _routing([[1, 0, 0, 1]] * 3, [probabilities] * 3)
    statistics(_layer([]), SimpleNamespace(num_segments=0), tokens, None)  # pyright: ignore[reportArgumentType]
    assert statistics.summary()["token_entropy"] == pytest.approx(float(probabilities[0] == 0.25), abs=1e-6)


@pytest.mark.parametrize(("preset", "absent"), [("token-only", "segment"), ("segment-only", "token")])
def test_keys_of_an_absent_router_are_left_out(preset: str, absent: str):
    model = tiny_hybrid(preset)
    with observe_routing(model) as statistics, torch.no_grad():
        model(input_ids=random_tokens(2, 12))
    for layer in statistics.values():
        summary = layer.summary()
        assert summary
        assert not [key for key in summary if absent in key]
        assert getattr(layer, f"{absent}_load") == []


def test_nothing_observed_gives_an_empty_summary():
    with observe_routing(tiny_hybrid()) as statistics:
        pass
    assert {index: layer.summary() for index, layer in statistics.items()} == {1: {}, 2: {}}


def test_a_pass_without_an_observer_gathers_nothing_and_leaves_no_attribute():
    model = tiny_hybrid()
    with torch.no_grad():
        model(input_ids=random_tokens(2, 12))
    before = {index: set(vars(layer)) for index, layer in model.hybrid_layers.items()}
    with observe_routing(model) as statistics:
        pass
    with torch.no_grad():
        model(input_ids=random_tokens(2, 12))
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
    assert {index: set(vars(layer)) for index, layer in model.hybrid_layers.items()} == before
    assert all(layer == LayerStatistics() for layer in statistics.values())


def test_observing_does_not_change_the_output_and_keeps_no_graph():
    model = tiny_hybrid().train()
    tokens = random_tokens(2, 12)
    expected = model(input_ids=tokens).logits
    model = tiny_hybrid().train()
    with observe_routing(model) as statistics:
        logits = model(input_ids=tokens).logits
    assert torch.equal(logits, expected)
    for layer in statistics.values():
        assert not any(gates.requires_grad for gates in layer.gates)
        assert all(isinstance(value, float) for value in (layer.token_entropy_sum, layer.shared_gate_sum))


def test_earlier_observers_come_back_on_exit_also_after_an_error():
    model = tiny_hybrid()
    with observe_routing(model) as outer:
        with observe_routing(model) as inner, torch.no_grad():
            model(input_ids=random_tokens(2, 12))
        assert all(model.hybrid_layers[index].observer is outer[index] for index in (1, 2))
        assert outer[1].num_tokens == 0
        assert inner[1].num_tokens == 24
        with pytest.raises(RuntimeError, match="stop"), observe_routing(model):
            raise RuntimeError("stop")
        assert all(model.hybrid_layers[index].observer is outer[index] for index in (1, 2))
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
