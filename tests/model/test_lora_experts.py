"""Low-rank experts: where they start, what of the frozen block they use, and the dtypes that they compute in.

That they equal full experts W + B A in value and every gradient is tested in test_hybrid.py, for every preset, family
and layout; files, checkpointing and the cache beside those of full experts.
"""

import pytest
import torch
from torch.nn import functional as F

from multipl_moe.model.experts import ExpertPairs
from tests.conftest import random_tokens, tiny_hybrid

LORA = {"type": "lora", "rank": 4, "alpha": 3.0}


def test_no_frozen_weight_is_multiplied_more_than_once_a_token_and_once_a_pair():
    model = tiny_hybrid("causal", **LORA)
    layer = model.hybrid_layers[1]
    rows: dict[str, list[int]] = {"gate_proj": [], "up_proj": [], "down_proj": []}
    for name, seen in rows.items():
        layer.shared_expert.get_submodule(name).register_forward_hook(
            lambda module, args, output, seen=seen: seen.append(len(args[0]))
        )
    pairs = []
    layer.experts.register_forward_pre_hook(lambda module, args: pairs.append(len(args[1].tokens)))
    model(random_tokens(2, 24))
    assert pairs[0] > 48
    assert sorted(rows["gate_proj"]) == sorted(rows["up_proj"]) == [48, 48]  # for the shared expert, and for the pairs
    assert sorted(rows["down_proj"]) == [48, pairs[0]]


def test_nothing_of_a_pair_is_kept_for_backward():
    model = tiny_hybrid("causal", **LORA)
    layer = model.hybrid_layers[1]
    experts, frozen = layer.experts, layer.frozen_block
    layer.shared_expert.requires_grad_(False)
    x_NH = torch.randn(10, 32, requires_grad=True)
    token_R, counts_E = torch.arange(10).repeat(3), torch.tensor([3, 0, 9, 6, 0, 12])
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        experts(x_NH, ExpertPairs(token_R, counts_E), frozen)
    floats = [tuple(value.shape) for value in kept if value.is_floating_point()]
    assert floats
    assert not [shape for shape in floats if 30 in shape]


@pytest.mark.parametrize("rank", [4, 8])
def test_autocast_reaches_every_product_and_gradients_stay_in_float32(rank: int):
    """bfloat16 rows of rank 4 take the loop (8 bytes), the others the grouped matmul."""
    model = tiny_hybrid("causal", type="lora", rank=rank)
    layer = model.hybrid_layers[1]
    experts, frozen = layer.experts, layer.frozen_block
    layer.shared_expert.requires_grad_(False)
    x_NH = torch.randn(10, 32)
    token_R, counts_E = torch.arange(10).repeat(2), torch.tensor([3, 0, 4, 6, 0, 7])
    expected = experts(x_NH, ExpertPairs(token_R, counts_E), frozen)
    with torch.autocast("cpu", torch.bfloat16):
        actual = experts(x_NH, ExpertPairs(token_R, counts_E), frozen)
    assert actual.dtype == torch.bfloat16
    scale = expected.abs().max().item()
    torch.testing.assert_close(actual.float(), expected, rtol=0, atol=0.03 * scale)
    F.mse_loss(actual.float(), torch.zeros_like(expected)).backward()
    for name, parameter in experts.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad[[0, 2, 3, 5]].flatten(1).any(dim=1).all(), name
        assert not parameter.grad[[1, 4]].any(), name
    assert all(parameter.grad is None for parameter in layer.shared_expert.parameters())
