"""The fast hybrid layer against the slow reference: value, every gradient, load-balancing loss."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from transformers.activations import ACT2FN
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.phi3.modeling_phi3 import Phi3MLP
from transformers.models.starcoder2.modeling_starcoder2 import Starcoder2MLP

from multipl_moe import MoeConfig
from multipl_moe.model import experts as experts_module
from multipl_moe.model.experts import ExpertPairs
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import places_for, plan_segments
from multipl_moe.model.token_moe import mean_load_balancing_loss
from tests import reference
from tests.conftest import changed_moe, random_tokens, randomise, tiny_base_config, tiny_hybrid, tiny_moe

from .layouts import lay_out

_LOOPED, _GROUPED = (11, 19), (16, 32)  # hidden and intermediate size; rows of 44 bytes and of 64 bytes in float32
_FFNS = {"llama": LlamaMLP, "phi3": Phi3MLP, "starcoder2": Starcoder2MLP}


class Layout(NamedTuple):
    """Where the real tokens of a batch are."""

    position_ids: Tensor
    mask: Tensor | None


def _layout(*rows: tuple[int, list[int]], length: int = 1) -> Layout:
    positions, mask = lay_out(rows, length)
    return Layout(positions, None if mask.all() else mask)


LAYOUTS = {
    "whole segments": _layout((0, [12]), (0, [8])),
    "partial last segment": _layout((0, [14]), (0, [14]), (0, [14])),
    "one row": _layout((0, [17])),
    "one token": _layout((0, [1])),
    "padding left": _layout((0, [13]), (3, [10]), (8, [5])),
    "padding right": _layout((0, [13]), (0, [10]), (0, [5])),
    "padding on both sides": _layout((2, [9]), (1, [11]), (0, [5]), length=13),
    "a row of padding": _layout((0, [11]), (0, []), (2, [9])),
    "one row beside padding": _layout((0, [11]), (0, [])),
    "packed documents": _layout((0, [1, 9, 4]), (0, [5, 1, 1, 7]), (0, [14])),
    "packed and padded": _layout((2, [6, 5]), (0, [3, 8]), (0, [9, 5])),
}

_SHORT = _layout((2, [5]), (0, [7]), length=9)  # padding on both sides

MOES = {
    "paper": tiny_moe("paper", stride=4, segment_window=4),
    "causal": tiny_moe("causal"),
    "token-only": tiny_moe("token-only", token_top_k=3),
    "expert choice, long windows": tiny_moe("paper", stride=4, segment_window=12, segment_capacity=1.7),
    "thresholds, fixed fusion": tiny_moe("causal", fusion="fixed", segment_gate_scale="window", segment_capacity=1.4),
}
MOES |= {f"{name}, lora": changed_moe(moe, type="lora", rank=4) for name, moe in MOES.items()}


def _layer(moe: MoeConfig, sizes=_GROUPED, dtype=torch.float32, family: str = "llama") -> Any:
    config: Any = tiny_base_config(
        family,
        hidden_size=sizes[0],
        intermediate_size=sizes[1],
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
    )
    layer: Any = HybridMoe(_FFNS[family](config), moe, config)
    randomise(layer)
    if layer.token_bias is not None:
        layer.token_bias.copy_(torch.linspace(-0.4, 0.4, len(layer.token_bias)))
    if moe.routes_segments and layer.segment_mean is not None:
        layer.segment_mean.copy_(torch.linspace(-0.5, 0.7, len(layer.segment_mean)))
    layer.made_of = moe
    return layer.to(dtype)


def _inputs(layout: Layout, hidden: int, dtype=torch.float32) -> Tensor:
    """Random inputs; feature 0 lies between 1 and 2, so that one router weight can decide everything."""
    x = torch.randn(*layout.position_ids.shape, hidden, generator=torch.Generator().manual_seed(1))
    x[..., 0] = x[..., 0].sigmoid() + 1
    return x.to(dtype)


def _run(layer: Any, x: Tensor, layout: Layout, *, training: bool, fixed: bool = False) -> tuple[Tensor, RoutingPass]:
    """The layer's output; `fixed` as in compiled code, where no shape depends on values."""
    moe = layer.made_of
    layer.train(training)
    num_places = places_for(layout.position_ids.shape, moe.gate.stride, packed=True) if fixed else None
    plan = plan_segments(
        layout.position_ids,
        layout.mask,
        window=moe.routing.segment_window,
        stride=moe.gate.stride,
        lookahead=moe.routing.segment_lookahead,
        num_places=num_places,
    )
    routing = RoutingPass(plan, as_in_training=training)
    return layer(x, routing), routing


def _balance(layer: HybridMoe, routing: RoutingPass) -> Tensor | None:
    tokens = [routed.tokens for routed in routing.routed.values() if routed.tokens is not None]
    return mean_load_balancing_loss(tokens, layer.moe)


def _tolerance(expected: Tensor, moe: MoeConfig) -> Any:
    """Gates are in float32: where large low-rank terms cancel, their rounding stays, by the largest element."""
    largest = expected.abs().max().item() if moe.experts.type == "lora" else 0
    rtol, atol = (1e-4, 2e-5) if expected.dtype == torch.float32 else (1e-5, 3e-6)
    return {"rtol": rtol, "atol": atol * max(largest / 20, 1)}


def _check(layer: Any, layout: Layout, *, training: bool, act: str = "silu", fixed: bool = False) -> reference.Output:
    """Compare the layer with the reference on a random loss that includes the load-balancing loss."""
    down = next(value for name, value in layer.experts.named_parameters() if name in ("down_proj", "down_proj_b"))
    dtype, hidden = down.dtype, down.shape[1]
    x = _inputs(layout, hidden, dtype).requires_grad_()
    x_slow = x.detach().clone().requires_grad_()
    weights = {name: value.detach().clone() for name, value in layer.state_dict().items()}
    names = [name for name, _ in layer.named_parameters()]
    for name in names:
        weights[name].requires_grad_()

    y, routing = _run(layer, x, layout, training=training, fixed=fixed)
    slow = reference.hybrid_layer(
        x_slow,
        weights,
        layer.made_of,
        position_ids=layout.position_ids,
        mask=layout.mask,
        training=training,
        act=ACT2FN[act],
    )
    loss_weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    loss, loss_slow = (y * loss_weights).sum(), (slow.y * loss_weights).sum()
    if training and slow.load_balancing is not None:
        balance = _balance(layer, routing)
        assert balance is not None
        torch.testing.assert_close(balance, slow.load_balancing)
        loss, loss_slow = loss + 3 * balance, loss_slow + 3 * slow.load_balancing
    loss.backward()
    loss_slow.backward()

    if layout.mask is not None:
        assert not y[layout.mask == 0].any()
    torch.testing.assert_close(y, slow.y, **_tolerance(slow.y, layer.made_of))
    assert x_slow.grad is not None
    for name, parameter in [("x", x), *layer.named_parameters()]:
        pair = parameter, weights.get(name, x_slow)
        actual, expected = (torch.zeros_like(one) if one.grad is None else one.grad for one in pair)
        tolerance = _tolerance(expected, layer.made_of)
        torch.testing.assert_close(actual, expected, **tolerance, msg=lambda m, name=name: f"{name}: {m}")
    return slow


_MODES = [(fixed, training) for fixed in (False, True) for training in (False, True)]
_OTHER_LAYOUTS = [layout for layout in LAYOUTS if layout != "packed and padded"]


@pytest.mark.parametrize(
    ("moe", "layout", "fixed", "training"),
    [
        *((moe, "packed and padded", *mode) for moe in MOES for mode in _MODES),
        *(("causal", layout, *mode) for layout in _OTHER_LAYOUTS for mode in _MODES),
        *(("paper", layout, same, same) for layout in _OTHER_LAYOUTS for same in (False, True)),
    ],
)
def test_layer_equals_the_reference_in_value_and_every_gradient(moe: str, layout: str, fixed: bool, training: bool):
    _check(_layer(MOES[moe]), LAYOUTS[layout], training=training, fixed=fixed)


@pytest.mark.parametrize(
    ("moe", "sizes", "dtype"),
    [
        *((moe, _LOOPED, torch.float64) for moe in [*list(MOES)[:5], "causal, lora"]),
        *((moe, _GROUPED, torch.float64) for moe in ("causal", "causal, lora")),
        *((moe, _LOOPED, torch.float32) for moe in ("causal", "causal, lora")),
        *((moe, (12, 20), torch.float32) for moe in ("causal", "causal, lora")),
    ],
    ids=str,
)
def test_layer_equals_the_reference_at_odd_sizes_and_in_float64_to_the_precision_of_its_gates(moe: str, sizes, dtype):
    _check(_layer(MOES[moe], sizes, dtype), LAYOUTS["packed and padded"], training=True)


@pytest.mark.parametrize(
    ("moe", "sizes", "calls"),
    [("causal", _LOOPED, 0), ("causal", _GROUPED, 2), ("causal, lora", _LOOPED, 0), ("causal, lora", _GROUPED, 4)],
)
def test_the_sizes_above_take_the_looped_and_the_grouped_path(moe: str, sizes, calls: int, monkeypatch):
    real, seen = experts_module.F.grouped_mm, []
    monkeypatch.setattr(experts_module.F, "grouped_mm", lambda *a, **k: seen.append(1) or real(*a, **k))
    _run(_layer(MOES[moe], sizes), _inputs(LAYOUTS["one row"], sizes[0]), LAYOUTS["one row"], training=False)
    assert len(seen) == calls


@pytest.mark.parametrize(("family", "act"), [("llama", "silu"), ("starcoder2", "gelu_pytorch_tanh"), ("phi3", "silu")])
@pytest.mark.parametrize(("sizes", "fixed"), [(_LOOPED, False), (_GROUPED, False), (_GROUPED, True)], ids=str)
@pytest.mark.parametrize("moe", ["causal", "causal, lora"])
def test_layer_equals_the_reference_for_biased_plain_and_fused_blocks(moe, sizes, fixed, family, act):
    layer = _layer(MOES[moe], sizes, family=family)
    assert any(name.endswith("bias") for name, _ in layer.named_parameters()) == (family != "phi3")
    _check(layer, _SHORT, training=True, act=act, fixed=fixed)


@pytest.mark.parametrize(("moe", "training"), [("causal", False), ("causal, lora", True), ("paper", True)])
def test_an_expert_that_gets_nothing_gets_no_gradient_and_harms_nobody(moe: str, training: bool):
    layer = _layer(MOES[moe])
    num_routed = layer.moe.num_routed_experts
    idle = 0
    with torch.no_grad():
        layer.token_router.weight[0, 0] = -60
        if layer.moe.segment_selection == "threshold":
            idle = num_routed
            layer.segment_router.weight[0, 0] = -60
            layer.segment_start[0] = 1.0
            layer.segment_threshold[0] = 0.9
    _check(layer, LAYOUTS["one row"], training=training)
    for name, parameter in layer.experts.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad[idle].any(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("moe", ["paper", "causal", "causal, lora"])
def test_all_tokens_on_one_expert(moe: str):
    layer = _layer(MOES[moe])
    with torch.no_grad():
        for router in layer.routers:
            router.weight.mul_(0.1)
            router.weight[1, 0] = 3
    slow = _check(layer, _SHORT, training=True)
    assert all(1 in chosen for chosen in slow.token_choices.values())


@pytest.mark.parametrize("moe", ["causal", "paper"])
def test_the_choices_in_these_tests_differ_from_token_to_token(moe: str):
    """A reference that never chooses differently would prove nothing."""
    slow = _check(_layer(MOES[moe]), LAYOUTS["partial last segment"], training=True)
    assert len({tuple(chosen) for chosen in slow.token_choices.values()}) >= 3
    assert len({tuple(chosen) for chosen in slow.segment_choices}) >= 3


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("moe", ["paper", "causal", "token-only", "causal, lora"])
def test_a_batch_of_nothing_but_padding_yields_zeros(moe: str, training: bool):
    layout = Layout(torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long))
    layer = _layer(MOES[moe])
    x = _inputs(layout, _GROUPED[0]).requires_grad_()
    y, routing = _run(layer, x, layout, training=training)
    assert torch.equal(y, torch.zeros_like(x))
    y.sum().backward()
    assert x.grad is None or not x.grad.any()
    balance = _balance(layer, routing)
    assert balance is not None
    assert balance.item() == 0
    _, segments = routing.routed[0]
    layer.note_batch(None if segments is None else segments.batch_gates, torch.zeros(4, layer.moe.num_routed_experts))
    layer.follow_noted()
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


# Low-rank experts: what of the frozen block they use, and the dtypes that they compute in


def _low_rank(rank: int = 4) -> Any:
    """A layer of low-rank experts around a frozen block."""
    layer = tiny_hybrid("causal", type="lora", rank=rank, alpha=3.0).hybrid_layers[1]
    layer.shared_expert.requires_grad_(False)
    return layer


def test_no_frozen_weight_is_multiplied_more_than_once_a_token_and_once_a_pair():
    model = tiny_hybrid("causal", type="lora", rank=4)
    layer, pairs = model.hybrid_layers[1], []
    rows: dict[str, list[int]] = {"gate_proj": [], "up_proj": [], "down_proj": []}
    for name, seen in rows.items():
        layer.shared_expert.get_submodule(name).register_forward_hook(
            lambda module, args, output, seen=seen: seen.append(len(args[0]))
        )
    layer.experts.register_forward_pre_hook(lambda module, args: pairs.append(len(args[1].tokens)))
    model(random_tokens(2, 24))
    assert pairs[0] > 48
    assert sorted(rows["gate_proj"]) == sorted(rows["up_proj"]) == [48, 48]  # for the shared expert, and for the pairs
    assert sorted(rows["down_proj"]) == [48, pairs[0]]


def test_nothing_of_a_pair_is_kept_for_backward():
    layer, x_NH = _low_rank(), torch.randn(10, 32, requires_grad=True)
    pairs = ExpertPairs(torch.arange(10).repeat(3), torch.tensor([3, 0, 9, 6, 0, 12]))
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        layer.experts(x_NH, pairs, layer.frozen_block)
    floats = [tuple(value.shape) for value in kept if value.is_floating_point()]
    assert floats
    assert not [shape for shape in floats if 30 in shape]


@pytest.mark.parametrize("rank", [4, 8])
def test_autocast_reaches_every_product_and_gradients_stay_in_float32(rank: int):
    """bfloat16 rows of rank 4 take the loop (8 bytes), the others the grouped matmul."""
    layer, x_NH = _low_rank(rank), torch.randn(10, 32)
    pairs = ExpertPairs(torch.arange(10).repeat(2), torch.tensor([3, 0, 4, 6, 0, 7]))
    expected = layer.experts(x_NH, pairs, layer.frozen_block)
    with torch.autocast("cpu", torch.bfloat16):
        actual = layer.experts(x_NH, pairs, layer.frozen_block)
    assert actual.dtype == torch.bfloat16
    torch.testing.assert_close(actual.float(), expected, rtol=0, atol=0.03 * expected.abs().max().item())
    actual.float().square().mean().backward()
    for name, parameter in layer.experts.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad[[0, 2, 3, 5]].flatten(1).any(dim=1).all(), name
        assert not parameter.grad[[1, 4]].any(), name
    assert all(parameter.grad is None for parameter in layer.shared_expert.parameters())
