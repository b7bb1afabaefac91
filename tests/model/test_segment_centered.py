"""A segment router that sees maxima less their mean stays where its stored thresholds are while it learns."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaMLP

from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segment_moe import SegmentRouting, quantile_threshold
from multipl_moe.model.segments import plan_segments
from tests.conftest import randomise, tiny_base_config, tiny_moe

_HIDDEN, _ROW_TOKENS, _STEPS = 64, 64, 10


class _Text:
    """Inputs of a block: noise, and what all tokens have in common."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.common_H = 2 * torch.randn(_HIDDEN, generator=self.generator)

    def read(self, rows: int) -> Tensor:
        return self.common_H + torch.randn(rows, _ROW_TOKENS, _HIDDEN, generator=self.generator)


def _layer(text: _Text, centered: bool) -> HybridMoe:
    """With routers as small as fresh ones, and experts that differ."""
    config: Any = tiny_base_config(hidden_size=_HIDDEN, intermediate_size=32)
    layer = HybridMoe(LlamaMLP(config), tiny_moe("causal", segment_centered=centered), config)
    randomise(layer)
    layer.shared_expert.requires_grad_(False)
    moe, x_BTH = layer.moe, text.read(64)
    with torch.no_grad():
        for router in layer.routers:
            router.get_parameter("weight").normal_(0, 0.04, generator=text.generator)
        if layer.segment_mean is not None:
            windows = x_BTH.unfold(1, moe.segment_window, moe.segment_window // layer.num_blocks)
            layer.segment_mean.copy_(windows.amax(dim=-1).mean(dim=(0, 1)))
            layer.segment_start.copy_(layer.segment_mean)
        layer.segment_threshold.copy_(quantile_threshold(_route(layer.eval(), x_BTH)[1].gates, moe.segment_capacity))
    return layer.train()


def _route(layer: HybridMoe, x_BTH: Tensor) -> tuple[Tensor, SegmentRouting]:
    positions = torch.arange(_ROW_TOKENS).expand(len(x_BTH), -1)
    moe = layer.moe
    stride = moe.segment_window // layer.num_blocks
    plan = plan_segments(positions, None, window=moe.segment_window, stride=stride, lookahead=moe.segment_lookahead)
    routing = RoutingPass(plan, as_in_training=layer.training)
    y_BTH = layer(x_BTH, routing)
    segments = routing.routed[layer.index].segments
    assert segments is not None
    return y_BTH, segments


@pytest.mark.parametrize(("centered", "seed"), [(True, 0), (True, 1), (False, 2)])
def test_stored_thresholds_hold_while_a_centered_router_learns_and_do_not_without(centered: bool, seed: int):
    text = _Text(seed)
    layer, target_H = _layer(text, centered), torch.randn(_HIDDEN, generator=text.generator)
    optimizer = torch.optim.AdamW([p for p in layer.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(_STEPS):
        y_BTH, segments = _route(layer, text.read(8))
        layer.note_batch(segments.batch_gates, None)
        (y_BTH @ target_H).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        chosen = _route(layer.eval(), text.read(64))[1].chosen
    load_ratios = chosen.float().mean(dim=0) / (layer.moe.segment_capacity / layer.moe.num_segment_experts)
    assert bool((load_ratios > 0.5).all() and (load_ratios < 2).all()) == centered
