"""Rows of new tokens learn, no other row moves by a bit, and what is saved is a plain model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.corpus import build_corpus
from multipl_moe.fim_tokens import KNOWN_SPELLINGS
from multipl_moe.model.parameters import count_parameters
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.new_rows import fold_new_rows, is_new_rows, let_new_rows_learn
from multipl_moe.train.plan import plan_training, starting_config
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import random_tokens, randomise, tiny_base_config, tiny_hybrid, tiny_moe
from tests.train.conftest import Interrupt, changed, train
from tests.train.tiny import World, tensors, tiny_recipe

ENDS = ("model.embed_tokens.weight", "lm_head.weight")
NEW = [20, 40, 60]
_FEW = {"tokens": 4 * 128, "save_every_steps": 2}


def model_with_new_rows(*, tied: bool = False, family: str = "llama") -> Any:
    """A hybrid of which three tokens are new."""
    base = tiny_base_config(family, tie_word_embeddings=tied, new_token_ids=NEW)
    model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=base, moe=tiny_moe().to_dict()))
    randomise(model)
    return model.eval()


def loss_of(model: Any) -> Any:
    tokens = torch.cat([random_tokens(2, 30), torch.tensor([NEW, NEW])], dim=1)
    return model(input_ids=tokens, labels=tokens).loss


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "granite"])
@pytest.mark.parametrize("tied", [False, True])
def test_new_rows_have_the_gradients_that_they_would_have_in_the_whole_matrix(tied, family):
    whole, ours = (model_with_new_rows(tied=tied, family=family) for _ in range(2))
    names = let_new_rows_learn(ours)
    assert len(names) == (1 if tied else 2)
    for name, parameter in ours.named_parameters():
        parameter.requires_grad_(name in names)
    losses = [loss_of(whole), loss_of(ours)]
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    for name in names:
        expected = whole.get_parameter(name.replace("new_rows", "weight")).grad[NEW]
        torch.testing.assert_close(ours.get_parameter(name).grad, expected, rtol=1e-4, atol=1e-7)
        assert expected.abs().min() > 0


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
@pytest.mark.parametrize("tied", [False, True])
def test_folded_the_model_is_plain_and_computes_the_same(tied, family):
    start, model = (model_with_new_rows(tied=tied, family=family) for _ in range(2))
    for name in let_new_rows_learn(model):
        torch.nn.init.normal_(model.get_parameter(name))
    with torch.no_grad():
        before = loss_of(model)
        fold_new_rows(model)
        torch.testing.assert_close(loss_of(model), before)
        assert (before - loss_of(start)).abs() > 0.01
    assert model.state_dict().keys() == start.state_dict().keys()
    kept = [row for row in range(61) if row not in NEW]
    for name in ENDS:
        ours, theirs = model.get_parameter(name), start.get_parameter(name)
        assert torch.equal(ours[kept], theirs[kept])
        assert not torch.isclose(ours[NEW], theirs[NEW]).any()


def test_a_model_without_new_tokens_stays_as_it_is():
    model = tiny_hybrid()
    before = list(model.state_dict())
    assert let_new_rows_learn(model) == set()
    fold_new_rows(model)
    assert list(model.state_dict()) == before


@pytest.fixture(scope="module")
def fim_world(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose corpus fills in the middle with tokens that the base lacks."""
    folder = tmp_path_factory.mktemp("fim")
    fim = {"rate": 0.9, "tokens": list(KNOWN_SPELLINGS["StarCoder"])}
    recipe = tiny_recipe(world.base, world.sources, corpus={"fim": fim}, train={"log_every_steps": 1})
    build_corpus(recipe, world.base, folder / "corpus")
    upcycle(recipe, folder / "hybrid")
    return replace(world, corpus=folder / "corpus", hybrid=folder / "hybrid", recipe=recipe)


def changed_rows(start: Path, end: Path) -> dict[str, list[int]]:
    """The rows of embedding and output layer that differ."""
    before, after = tensors(start), tensors(end)
    assert before.keys() == after.keys()
    return {name: (before[name] != after[name]).any(dim=1).nonzero().flatten().tolist() for name in ENDS}


def test_training_moves_new_rows_beside_experts_and_routers_and_no_other(fim_world: World, tmp_path: Path):
    audits = []
    result = train_model(
        fim_world.recipe, fim_world.hybrid, fim_world.corpus, tmp_path, on_audit=lambda audit: audits.append(audit)
    )
    new = load_hybrid(fim_world.hybrid).config.base_config.new_token_ids
    assert changed_rows(fim_world.hybrid, result.model_folder) == dict.fromkeys(ENDS, new)
    before, after = tensors(fim_world.hybrid), tensors(result.model_folder)
    others = {name for name in before if not torch.equal(before[name], after[name])} - set(ENDS)
    assert others
    assert all(".mlp." in name for name in others)
    assert not any("shared_expert" in name for name in others)
    assert audits[0].trained["rows of new tokens (all other rows are frozen)"] == 2 * 3 * 32
    load_hybrid(result.model_folder)


@pytest.mark.extended
def test_an_interrupted_run_goes_on_to_the_same_rows(fim_world: World, tmp_path: Path):
    whole = train(fim_world, tmp_path / "whole", **_FEW)
    with pytest.raises(KeyboardInterrupt):
        train(fim_world, tmp_path / "broken", Interrupt(2), **_FEW)
    resumed = train(fim_world, tmp_path / "broken", **_FEW)
    assert changed(whole.model_folder, resumed.model_folder) == set()
    assert whole.frozen_sha256 == resumed.frozen_sha256


@pytest.mark.parametrize("method", ["dense", "dense-ffn", "lora"])
def test_dense_methods_train_an_extended_base(fim_world: World, tmp_path: Path, method: str):
    result = train(fim_world, tmp_path, method=method, **_FEW)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model"]
    model = load_dense(result.model_folder)
    new = model.config.new_token_ids
    hybrid = tensors(fim_world.hybrid)
    for name in ENDS:
        moved = (model.get_parameter(name) != hybrid[name]).any(dim=1).nonzero().flatten().tolist()
        assert set(new) <= set(moved)
        assert (moved == new) == (method != "dense")


def test_what_a_run_will_need_is_foreseen_with_the_new_rows(fim_world: World):
    config = starting_config(fim_world.recipe, fim_world.hybrid)
    plan = plan_training(fim_world.recipe, config, runtime_bytes=0)
    model = load_for_training(fim_world.recipe.train, fim_world.hybrid)
    audit = prepare(model, fim_world.recipe)
    assert plan.parameters.trained == audit.num_trained
    assert isinstance(config, MultiplMoeConfig)
    assert plan.parameters == count_parameters(config)
    assert sum(p.numel() for name, p in model.named_parameters() if is_new_rows(name)) == 2 * 3 * 32
    foreseen = starting_config(fim_world.recipe).get_text_config()
    assert foreseen.vocab_size == config.base_config.vocab_size
