"""Each way of training trains what it says, leaves the rest as it was, and saves a model that loads by itself."""

from pathlib import Path

import pytest

from multipl_moe.checkpoints.loading import load_config, load_dense
from multipl_moe.train.methods import METHODS, load_for_training, prepare
from tests.train.conftest import changed, train_told
from tests.train.tiny import World, with_train

_DENSE = ["dense", "dense-ffn", "lora"]


@pytest.mark.parametrize("method", _DENSE)
def test_dense_methods_lower_the_loss_and_save_a_dense_model(world: World, tmp_path: Path, method: str):
    lines, model = train_told(world, tmp_path, method=method, tokens=8 * 128), tmp_path / "model"
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1
    assert load_config(model).model_type == "llama"
    moved = changed(world.base, model)
    layers = {"dense": (0, 1, 2), "dense-ffn": (1, 2), "lora": (0, 1, 2)}[method]
    assert {int(name.split(".")[2]) for name in moved if ".mlp." in name} == set(layers)
    assert any("self_attn" in name for name in moved) == (method != "dense-ffn")
    assert ("model.embed_tokens.weight" in moved) == (method == "dense")
    load_dense(model)


def test_audit_names_what_trains(world: World):
    sizes = {}
    for method in _DENSE:
        recipe = with_train(world.recipe, method=method, lora_rank=2)
        audit = prepare(load_for_training(recipe.train, world.base), recipe)
        sizes[method] = audit.num_trained
        assert set(audit.trained) <= set(METHODS[method].groups)
        assert (audit.frozen == 0) == (method == "dense")
    base = sum(parameter.numel() for parameter in load_dense(world.base).parameters())
    assert sizes["dense"] == base
    assert sizes["dense-ffn"] == 2 * (3 * 32 * 48 + 2 * 48 + 32)
    linear = [(32, 32), (32, 16), (32, 16), (32, 32), (32, 48), (32, 48), (48, 32)]
    assert sizes["lora"] == 3 * 2 * sum(rows + columns for rows, columns in linear)
