"""Decoder layers that carry the routing are the base's own in all else: by name, when copied, pickled or wrapped."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch.distributed.utils import _apply_to_tensors

from multipl_moe.model.families import FAMILIES
from tests.conftest import random_tokens, tiny_base_config, tiny_hybrid


def _saved(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), _saved],
    ids=["copy", "pickle", "torch.save"],
)
def test_copies_compute_ask_their_gate_and_train_by_themselves(copied: Any):
    model, tokens = tiny_hybrid("gated"), random_tokens(3, 29)
    other, logits = copied(model), model(input_ids=tokens).logits
    assert torch.equal(other(input_ids=tokens).logits, logits)
    other.model.domain_gates["pack"].calibration.copy_(torch.tensor([0.0, -9.0]))  # shut but for the first segment
    assert torch.equal(model(input_ids=tokens).logits, logits)
    assert not torch.allclose(other(input_ids=tokens).logits, logits, atol=1e-3)
    assert other.model.base_decoder.layers[1] is other.model.layers[1] is not model.model.layers[1]
    before = model.hybrid_layers[1].segment_threshold.clone()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    other.train()(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    assert torch.equal(model.hybrid_layers[1].segment_threshold, before)
    assert not torch.equal(other.hybrid_layers[1].segment_threshold, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_told_by_the_name_of_the_bases(family: str):
    layers = tiny_hybrid(family=family).model.layers
    dense, hybrid = type(layers[0]), type(layers[1])
    assert issubclass(hybrid, dense)
    assert (hybrid.__name__, hybrid.__module__) == (dense.__name__, dense.__module__)
    assert type(layers[2]) is hybrid


def test_what_casts_the_inputs_of_modules_leaves_the_pass_itself_to_the_layers():
    """FSDP does so with mixed precision before each layer that it wraps: what layers decide would go into a copy."""
    model, tokens = tiny_hybrid(), random_tokens(2, 13)
    expected = model(input_ids=tokens).logits

    def cast(module: Any, args: Any, kwargs: Any) -> Any:
        return _apply_to_tensors(lambda tensor: tensor, (args, kwargs))

    for layer in model.model.layers:
        layer.register_forward_pre_hook(cast, with_kwargs=True)
    assert torch.equal(model(input_ids=tokens).logits, expected)


def test_a_hybrid_block_outside_of_its_decoder_layer_says_what_it_needs():
    model = tiny_hybrid()
    model(input_ids=random_tokens(2, 9))
    hidden = torch.zeros(2, 9, tiny_base_config().hidden_size)
    with pytest.raises(AssertionError, match="within its decoder layer"):
        model.hybrid_layers[1](hidden)
