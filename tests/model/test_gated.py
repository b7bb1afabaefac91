"""Gated experts against a slow reference, token by token, and what packs promise to the bit."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.func import functional_call

from multipl_moe import MoeConfig, MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.gated import AdaptedLinear, Adapter, GatedBlock
from multipl_moe.model.parameters import count_parameters, trained_names
from multipl_moe.model.routing_pass import PACK, RoutingPass, carry_routing
from multipl_moe.model.segments import places_for, plan_segments
from tests.conftest import random_tokens, randomise, randomise_gate, tiny_base_config, tiny_dense, tiny_hybrid, tiny_moe
from tests.model.layouts import GREEDY, gradients_of, logits_in_chunks
from tests.model.test_hybrid import _FFNS, LAYOUTS, Layout

LORA = {"type": "lora", "rank": 4, "alpha": 3.0}
FORMS: dict[str, dict[str, Any]] = {"full": {}, "lora": LORA, "all": LORA | {"targets": "all"}}
_THREE = ("rust", "ocaml", "lua")
_SHARES = {
    "shut and open": [0.0, 1.0, 0.0, 1.0],
    "anything": [0.0, 0.3, 1.0, 0.8],
    "shut": [0.0] * 4,
    "open": [1.0] * 4,
}


def _block(form: str, packs: tuple[str, ...], family: str = "llama") -> tuple[Any, MoeConfig]:
    config: Any = tiny_base_config(family)
    layer = SimpleNamespace(mlp=_FFNS[family](config), self_attn=nn.Module())
    moe = tiny_moe("single", layers=[0], **FORMS[form])
    for name in packs:
        EXPERT_KINDS[moe.experts.type].add(layer, name, moe.experts)
    for number, part in enumerate([layer.mlp, *layer.mlp.modules()]):
        if isinstance(part, Adapter):
            randomise(part, number)
    if isinstance(layer.mlp, GatedBlock):
        for number, expert in enumerate(layer.mlp.experts.values()):
            randomise(expert, number + 1)
    return layer.mlp, moe


def _plan(layout: Layout, stride: int, *, fixed: bool = False) -> Any:
    places = places_for(layout.position_ids.shape, stride, packed=True) if fixed else None
    return plan_segments(layout.position_ids, layout.mask, stride=stride, num_places=places)


def _slowly(block: Any, moe: MoeConfig, x_BTH: Tensor, shares: dict[str, Tensor] | None) -> Tensor:
    """Token by token: the block with W + p s B A for each W, or F + the sum of p (E - F); `shares` are (B, T)."""
    packs = list(shares) if shares else [PACK]
    base = block.shared_expert if isinstance(block, GatedBlock) else block
    own: dict[str, Tensor] = dict(base.named_parameters())
    frozen: Any = copy.deepcopy(base)
    adapted: list[Any] = [part for part in frozen.modules() if isinstance(part, AdaptedLinear)]
    for part in adapted:
        part.__class__ = nn.Linear
    rows = torch.zeros_like(x_BTH)
    for row in range(x_BTH.shape[0]):
        for column in range(x_BTH.shape[1]):
            x, p = x_BTH[row, column], [1.0 if shares is None else shares[name][row, column] for name in packs]
            if isinstance(block, GatedBlock):
                y = functional_call(frozen, own, (x,))
                outputs = [block.experts[name](x) for name in packs]
                y = y + torch.stack([share * (output - y) for share, output in zip(p, outputs, strict=True)]).sum(0)
            else:
                changed = dict(own)
                for name, share in zip(packs, p, strict=True):
                    for key in [key for key in own if key.endswith(".weight")]:
                        a, b = (own[f"{key[:-7]}.adapters.{name}.lora_{part}"] for part in "AB")
                        changed[key] = changed[key] + share * moe.experts.scale * (b @ a)
                y = functional_call(frozen, changed, (x,))
            rows[row, column] = y
    return rows


def _in_its_layer(block: Any, x_BTH: Tensor, routing: RoutingPass) -> Tensor:
    layer = nn.Sequential(block)
    carry_routing(layer)
    routing.settle()
    return layer(x_BTH, routing=routing)


def _compare(
    block: Any, moe: MoeConfig, layout: Layout, routing: RoutingPass, shares: dict[str, Tensor] | None
) -> None:
    x = torch.randn(*layout.position_ids.shape, 32, generator=torch.Generator().manual_seed(1))
    x_fast, x_slow = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = _in_its_layer(block, x_fast, routing)
    slow = _slowly(block, moe, x_slow, shares)
    real = torch.ones(x.shape[:2], dtype=torch.bool) if layout.mask is None else layout.mask != 0
    torch.testing.assert_close(y[real], slow[real], rtol=1e-4, atol=2e-5)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)) * real[..., None]
    found, expected = (
        torch.autograd.grad((out * weights).sum(), [one, *block.parameters()], materialize_grads=True)
        for out, one in ((y, x_fast), (slow, x_slow))
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("form", "family"), [("full", "llama"), ("full", "starcoder2"), ("lora", "starcoder2"), ("lora", "phi3")]
)
def test_in_training_the_block_is_the_expert_in_value_and_every_gradient(form: str, family: str):
    layout = LAYOUTS["packed and padded"]
    block, moe = _block(form, (PACK,), family)
    routing = RoutingPass(_plan(layout, moe.gate.stride), as_in_training=True)
    _compare(block, moe, layout, routing, None)


@pytest.mark.parametrize(("form", "layout"), [("lora", "packed and padded"), ("all", "partial last segment")])
def test_first_tokens_that_are_dropped_in_training_are_the_bases_in_value_and_every_gradient(form: str, layout: str):
    (block, moe), where = _block(form, (PACK,)), LAYOUTS[layout]
    routing = RoutingPass(plan := _plan(where, moe.gate.stride), as_in_training=True)
    torch.manual_seed(1)
    routing.drop_first(PACK, 0.5)
    drawn: Any = routing.first_share[PACK]
    assert set(drawn[plan.is_first].tolist()) == {0.0, 1.0}
    open_BT = torch.ones(where.position_ids.shape)
    rows = plan.real_tokens if plan.real_tokens is not None else torch.arange(open_BT.numel())
    open_BT.view(-1)[rows[plan.is_first & (drawn == 0)]] = 0
    _compare(block, moe, where, routing, {PACK: open_BT})


def test_a_model_in_training_drops_as_many_first_tokens_as_its_settings_say():
    settings: dict[str, Any] = FORMS["all"] | {"languages": ["one"], "first_dropout": 0.25}
    model, tokens = tiny_hybrid("single", **settings), random_tokens(1, 400)
    positions = torch.arange(400)[None] % 2
    shut, opened = (model(tokens, position_ids=positions, open_share=p).logits[0, ::2] for p in (0.0, 1.0))
    torch.manual_seed(0)
    found = model.train()(tokens, position_ids=positions).logits[0, ::2]
    dropped = (found - shut).abs().amax(dim=-1) < 1e-4
    assert torch.allclose(found[~dropped], opened[~dropped], atol=1e-4)
    assert 30 < dropped.sum() < 70  # of 200: 50, more or less three deviations
    model.eval()
    assert torch.allclose(model(tokens, position_ids=positions, open_share=1.0).logits[0, ::2], opened)


def test_each_pack_has_its_own_share_of_its_start_and_a_prompt_that_is_read_has_none():
    model, tokens = composed("all", ("rust", "ocaml"), first_share=1.0), random_tokens(2, 1)
    gates = model.model.domain_gates
    both = model(tokens).logits
    gates["ocaml"].first_share = 0.0
    alone = composed("all", ("rust",), first_share=1.0)(tokens).logits
    assert torch.allclose(model(tokens).logits, alone, atol=1e-5)
    assert torch.allclose(model(tokens, use_cache=True).logits, alone, atol=1e-5)
    assert not torch.allclose(both, alone, atol=1e-3)
    known = model.model.read_prompt(tokens)
    read = model(tokens, prompt_share=known).logits
    gates["rust"].first_share = 0.0
    assert torch.equal(model(tokens, prompt_share=known).logits, read)


def _shares(routing: RoutingPass, packs: tuple[str, ...], name: str, is_told: bool) -> list[float]:
    """Segment by segment: the pack's part of what the widest open one says, or of 1 if the told ones are more."""
    shares = []
    for said in zip(*(routing.open_V[pack].tolist() for pack in packs), strict=True):
        own, total = said[packs.index(name)], sum(said)
        most = min(total, 1) if is_told else max(said)
        shares.append(own / total * most if total else 0.0)
    return shares


@pytest.mark.parametrize(
    ("packs", "is_told"), [((PACK,), False), (_THREE, False), (_THREE, True)], ids=["one pack", "three", "three told"]
)
@pytest.mark.parametrize(
    ("shares", "layout", "fixed"),
    [
        ("anything", "packed and padded", True),
        ("shut and open", "padding on both sides", True),
        *((shares, "padding on both sides", False) for shares in _SHARES),
        ("anything", "partial last segment", False),
    ],
)
@pytest.mark.parametrize("form", ["full", "lora"])
def test_the_output_lies_between_block_and_experts_in_value_and_every_gradient(
    form: str, layout: str, shares: str, packs: tuple[str, ...], fixed: bool, is_told: bool
):
    (block, moe), where = _block(form, packs), LAYOUTS[layout]
    plan = _plan(where, moe.gate.stride, fixed=fixed)
    routing = RoutingPass(plan)
    for turn, name in enumerate(packs):
        values = _SHARES[shares][turn:] + _SHARES[shares][:turn]
        routing.open_V[name] = torch.tensor(values)[torch.arange(plan.num_segments) % 4]
    routing.is_told = is_told
    by_pack: dict[str, Tensor] = {}
    for name in packs:
        open_N = torch.tensor(_shares(routing, packs, name, is_told))[plan.segment_of_token]
        all_BT = torch.zeros(where.position_ids.numel())
        all_BT[plan.real_tokens if plan.real_tokens is not None else slice(None)] = open_N
        by_pack[name] = all_BT.view(where.position_ids.shape)
    _compare(block, moe, where, routing, by_pack)


@pytest.mark.parametrize("form", ["full", "lora"])
def test_no_tokens_at_all_come_back_as_none(form: str):
    block, _ = _block(form, ("rust",))
    layout = Layout(torch.zeros(2, 0, dtype=torch.long), None)
    routing = RoutingPass(_plan(layout, 4))
    routing.tell({"rust": torch.zeros(0)})
    x_BTH = torch.zeros(2, 0, 32)
    assert _in_its_layer(block, x_BTH, routing).shape == x_BTH.shape


def composed(form: str, packs: tuple[str, ...], **overrides: Any) -> Any:
    """A model of some packs; each has the weights that it has in every other such model, or alone."""
    settings = FORMS[form] | {"languages": ["one", "other"], "start": 0.6} | overrides
    unlike = {"ocaml": {"rank": 8, "layers": [1, 2], "start": 0.3}, "lua": {"alpha": 8.0}}
    moes = {
        name: tiny_moe("single", **({"layers": [0, 1, 2]} | settings | unlike.get(name, {}))).to_dict()
        for name in packs
    }
    config = MultiplMoeConfig(text_config=tiny_base_config(), packs=moes)
    model: Any = MultiplMoeForCausalLM(config)
    randomise(model)
    for name in packs:
        seed = sum(map(ord, name))
        for path, part in model.named_modules():
            if f".{name}" in path and isinstance(part, Adapter | nn.Linear):
                randomise(part, seed + len(path))
        randomise_gate(model, seed, name)
    base = dict(tiny_dense().named_parameters())
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if (key := path.replace(".shared_expert", "")) in base:
                parameter.copy_(base[key])
    return model.eval()


def _runs(model: Any, **told: Any) -> list[Tensor]:
    """Logits whole, padded and packed, of a text in steps with a cache, and what beams write."""
    tokens, found = random_tokens(2, 23), []
    mask = torch.ones_like(tokens)
    mask[1, :4] = 0
    found.append(model(tokens, **told).logits)
    found.append(model(tokens, attention_mask=mask, **told).logits[mask == 1])
    if not told:
        positions = torch.cat([torch.arange(length) for length in (13, 1, 9)])[None]
        found.append(model(tokens[:1], position_ids=positions).logits)
    found.append(logits_in_chunks(model, tokens, (7, 1, 1, 6, 8), **told))
    found.append(model.generate(tokens, max_new_tokens=9, num_beams=3, **GREEDY, **told))
    return found


def _shut(model: Any, *names: str) -> Any:
    for name in names:
        gate = model.model.domain_gates[name]
        gate.start = 0.0
        gate.calibration.copy_(torch.tensor([0.0, -9.0]))
    return model


def _without_packs(form: str) -> Any:
    """The model with everything taken out again that a pack put in."""
    model = _shut(composed(form, ("rust",)), "rust")
    for layer in model.model.layers:
        if isinstance(layer.mlp, GatedBlock):
            layer.mlp = layer.mlp.shared_expert
    for part in model.modules():
        if hasattr(part, "adapters"):
            del part.adapters
            part.__class__ = nn.Linear
    return model


@torch.no_grad()
@pytest.mark.parametrize(
    ("form", "packs"), [*((form, ("rust", "lua", "ocaml")) for form in FORMS), ("full", ("rust",)), ("all", ("rust",))]
)
def test_with_all_gates_shut_a_model_is_its_base_to_the_bit(form: str, packs: tuple[str, ...]):
    told, shut, bare = composed(form, packs), _shut(composed(form, packs), *packs), _without_packs(form)
    tokens = random_tokens(2, 23)
    assert torch.equal(shut(tokens).logits, tiny_dense()(tokens).logits)
    for found, expected in ((_runs(shut), _runs(bare)), (_runs(told, open_share=0.0), _runs(bare, open_share=0.0))):
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_while_the_others_are_shut_a_model_is_the_one_with_that_pack_to_the_bit(form: str):
    model, alone = _shut(composed(form, ("lua", "rust", "ocaml")), "lua", "ocaml"), composed(form, ("rust",))
    found, expected = _runs(model), _runs(alone)
    assert not torch.allclose(found[0], tiny_dense()(random_tokens(2, 23)).logits, atol=1e-3)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("form", ["lora", "all"])
def test_where_another_pack_is_open_for_another_row_a_row_is_as_with_its_pack_alone(form: str):
    """To the bit: what is shut for a token adds nothing to it. Full experts run for chosen rows alone: nearly."""
    model, tokens = composed(form, ("rust", "lua")), random_tokens(2, 23)
    mixed = model(tokens, open_share=torch.eye(2)).logits
    for row, name in enumerate(("lua", "rust")):
        alone = composed(form, (name,))(tokens, open_share=1.0).logits
        assert torch.equal(mixed[row], alone[row])
    torch.testing.assert_close(logits_in_chunks(model, tokens), model(tokens).logits, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("alpha", [2.0, 16.0])
def test_an_open_pack_is_pefts_lora_to_the_bit(alpha: float):
    model = composed("all", ("rust",), alpha=alpha)
    names = [name for name, part in model.named_modules() if isinstance(part, nn.Linear) and hasattr(part, "adapters")]
    config = LoraConfig(r=4, lora_alpha=alpha, target_modules=names)  # pyright: ignore[reportArgumentType] (takes fractions)
    lora: Any = get_peft_model(tiny_dense(), config).eval()
    for name in names:
        ours, theirs = model.get_submodule(name).adapters["rust"], lora.base_model.model.get_submodule(name)
        theirs.lora_A["default"].weight.copy_(ours.lora_A)
        theirs.lora_B["default"].weight.copy_(ours.lora_B)
    assert len(names) == 3 * (3 + 4)
    tokens = random_tokens(2, 23)
    assert torch.equal(model(tokens, open_share=1.0).logits, lora(tokens).logits)
    with lora.disable_adapter():
        assert torch.equal(model(tokens, open_share=0.0).logits, lora(tokens).logits)


@pytest.mark.parametrize("form", FORMS)
def test_a_model_begins_as_its_base_or_with_copies_and_trains_the_pack_alone(form: str):
    model: Any = tiny_hybrid("gated-single", **FORMS[form]).train()
    trained = trained_names(model)
    assert trained == {name for name, _ in model.named_parameters() if f".{PACK}." in name}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    tokens = random_tokens(2, 23)
    model(tokens, labels=tokens).loss.backward()
    assert all(model.get_parameter(name).grad.any() for name in trained)
    counts = count_parameters(model.config)
    assert counts.trained == sum(model.get_parameter(name).numel() for name in trained)
    assert counts.active == counts.total - (counts.trained if form == "full" else 0)


@pytest.mark.parametrize("form", FORMS)
def test_layers_that_are_computed_again_give_the_same_gradients(form: str):
    tokens, found = random_tokens(2, 23), []
    for again in (False, True):
        model: Any = tiny_hybrid("gated-single", **FORMS[form]).train()
        if again:
            model.gradient_checkpointing_enable()
        model(tokens, labels=tokens, open_share=torch.tensor([1.0, 0.4])).loss.backward()
        found.append(gradients_of(model))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("preset", "form"), [("causal", "full"), ("single", "full"), ("single", "lora")])
def test_training_drops_nothing_of_the_base_block(preset: str, form: str):
    model = tiny_hybrid(preset, "starcoder2", {"residual_dropout": 0.5}, **FORMS[form])
    blocks = [getattr(layer.mlp, "shared_expert", layer.mlp) for layer in model.model.layers]
    assert [block.residual_dropout for block in blocks] == [0.5, 0.0, 0.0]


def test_autocast_reaches_adapters_and_gradients_stay_in_float32():
    adapter, x = Adapter(32, 48, 4, 0.5), torch.randn(7, 32)
    assert not adapter(x).any(), "a new adapter changes nothing"
    assert adapter.lora_A.std().item() == pytest.approx(32**-0.5, rel=0.3)
    randomise(adapter)
    with torch.autocast("cpu", torch.bfloat16):
        found = adapter(x, torch.rand(7, 1))
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    assert adapter.lora_A.grad is not None
    assert adapter.lora_A.grad.dtype == torch.float32
