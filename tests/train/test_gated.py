"""The default, a gated expert a layer, in training: it alone moves, a stopped run goes on to the bit, and it packs."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from peft import PeftModel

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.model.parameters import trained_names
from multipl_moe.packs.compose import compose
from multipl_moe.packs.write import write_pack
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.methods import prepare
from multipl_moe.train.result import TrainResult
from multipl_moe.train.trainer import train_model
from tests.conftest import VOCABULARY, random_tokens
from tests.train.conftest import Interrupt, Watcher, changed
from tests.train.tiny import World, gated_hybrid

_LORA = {"type": "lora", "rank": 4, "alpha": 4.0}
_FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "full": ({}, "bfloat16"),
    "lora": (_LORA, "float32"),
    "all": (_LORA | {"preset": "pack"}, "float32"),
}
"""Settings of the expert, and the dtype to compute in."""


class _Trained(NamedTuple):
    recipe: Recipe
    hybrid: Path
    result: TrainResult
    watcher: Watcher


@pytest.fixture(scope="module")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], _Trained]:
    """A hybrid of a form and its whole run, made when first asked for."""
    folder = tmp_path_factory.mktemp("gated")

    @cache
    def run(form: str) -> _Trained:
        expert, compute_dtype = _FORMS[form]
        recipe, watcher = gated_hybrid(world, folder / form, expert), Watcher()
        recipe = recipe.with_settings("train", compute_dtype=compute_dtype)
        result = train_model(recipe, folder / form, world.corpus, folder / f"{form}-run", callbacks=[watcher])
        return _Trained(recipe, folder / form, result, watcher)

    return run


@pytest.mark.parametrize("form", _FORMS)
def test_the_loss_falls_and_the_pack_alone_moves(trained, form: str):
    recipe, hybrid, result, watcher = trained(form)
    assert watcher.losses[-1] < watcher.losses[0] - 0.1
    model = load_hybrid(result.model_folder)
    assert changed(hybrid, result.model_folder) == trained_names(model) == watcher.optimised
    assert watcher.frozen_gradients == []
    assert result.audit == prepare(model, recipe)
    assert set(result.audit.trained) == {"experts" if form == "full" else "low-rank experts"}
    assert not (result.model_folder / "expert_use.json").exists(), "there is nothing to choose from"


@pytest.mark.parametrize("form", ["all", "full"])
def test_a_run_that_was_stopped_goes_on_to_the_bit(world: World, trained, tmp_path: Path, form: str):
    recipe, hybrid, whole, _ = trained(form)
    with pytest.raises(KeyboardInterrupt):
        train_model(recipe, hybrid, world.corpus, tmp_path / "run", callbacks=[Interrupt(7)])
    again = train_model(recipe, hybrid, world.corpus, tmp_path / "run")
    assert changed(again.model_folder, whole.model_folder) == set()


@pytest.mark.parametrize("form", ["lora", "all"])
def test_what_was_trained_is_the_same_as_a_pack_and_in_peft(world: World, trained, tmp_path: Path, form: str):
    recipe, _, run, _ = trained(form)
    pack = write_pack(run.model_folder, tmp_path / "pack")
    assert (pack.languages, pack.trained["tokens"]) == (["rust", "go"], recipe.train.tokens)
    compose(str(world.base), {"mine": tmp_path / "pack"}, tmp_path / "composed")
    models = [load_hybrid(folder).eval() for folder in (run.model_folder, tmp_path / "composed")]
    lora = PeftModel.from_pretrained(load_dense(world.base), str(tmp_path / "pack")).eval()
    tokens = random_tokens(2, 40) % VOCABULARY
    with torch.no_grad():
        one, other = (model(input_ids=tokens).logits for model in models)
        assert torch.equal(one, other)
        assert torch.equal(models[0](input_ids=tokens, open_share=1.0).logits, lora(input_ids=tokens).logits)
