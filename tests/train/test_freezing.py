"""What training changes, in which dtype, and that a frozen bit cannot flip unnoticed."""

import pytest
import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import FrozenParameterError
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.freezing import frozen_hashes, verify_frozen
from multipl_moe.train.methods import prepare
from tests.conftest import tiny_hybrid
from tests.train.tiny import World

_EXPERTS = {f"experts.{name}{end}" for name in ("gate_up_proj", "down_proj") for end in ("", "_bias")}
_ROUTERS = {"token_router.weight", "segment_router.weight", "segment_start"}


@pytest.mark.parametrize("expert_type", ["full", "lora"])
def test_where_nothing_routes_the_pack_alone_trains(expert_type: str):
    model = tiny_hybrid("gated-single", type=expert_type)
    counts = prepare(model, Recipe())
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained
    assert trained == {name for name, _ in model.named_parameters() if ".pack." in name}
    assert set(counts.trained) == {"experts" if expert_type == "full" else "low-rank experts"}


def test_trained_weights_become_float32_and_frozen_ones_keep_their_dtype_and_bits(world: World):
    model = load_hybrid(world.hybrid, dtype=torch.bfloat16)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    prepare(model, Recipe())
    for name, parameter in model.named_parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16), name
        assert torch.equal(parameter.to(torch.bfloat16), before[name]), name


def test_experts_routers_and_start_vectors_of_hybrid_layers_alone_train_and_are_counted_once(world: World):
    model = load_hybrid(world.hybrid)
    audit = prepare(model, Recipe())
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {f"model.layers.{layer}.mlp.{part}" for layer in (1, 2) for part in _EXPERTS | _ROUTERS}
    hidden, intermediate, layers = 32, 48, 2
    biases = 2 * intermediate + hidden
    assert audit.trained == {
        "experts": layers * (3 + 3) * (3 * hidden * intermediate + biases),
        "token routers": layers * 4 * hidden,
        "segment routers": layers * (3 + 1) * hidden,
    }
    counts = count_parameters(model.config)
    assert audit.num_trained == sum(audit.trained.values()) == counts.trained
    assert audit.num_trained + audit.frozen == counts.total == sum(p.numel() for p in model.parameters())


def test_one_flipped_bit_of_one_frozen_weight_is_an_error(world: World):
    model = load_hybrid(world.hybrid, dtype=torch.bfloat16)
    prepare(model, Recipe())
    before = frozen_hashes(model)
    digest = verify_frozen(model, before)
    weight = dict(model.named_parameters())["model.layers.2.mlp.shared_expert.down_proj.weight"]
    bits = weight.data.view(torch.uint8)
    bits[5, 7] ^= 1
    with pytest.raises(FrozenParameterError, match=r"1 frozen .*layers\.2\.mlp\.shared_expert\.down_proj\.weight"):
        verify_frozen(model, before)
    bits[5, 7] ^= 1
    assert verify_frozen(model, before) == digest


def test_trained_weights_may_change_and_frozen_ones_not_vanish(world: World):
    model = load_hybrid(world.hybrid)
    prepare(model, Recipe())
    before = frozen_hashes(model)
    digest = verify_frozen(model, before)
    with torch.no_grad():
        model.get_parameter("model.layers.1.mlp.experts.down_proj").add_(1)
        model.hybrid_layers[1].segment_start.add_(1)
    assert verify_frozen(model, before) == digest
    model.lm_head.weight.requires_grad_(True)
    with pytest.raises(FrozenParameterError, match=r"lm_head\.weight"):
        verify_frozen(model, before)
