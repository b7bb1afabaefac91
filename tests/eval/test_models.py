"""`eval`: one model, or two and the change."""

import shutil
from pathlib import Path

import pytest
import torch

from multipl_moe.errors import BaseModelError
from multipl_moe.eval.models import evaluate_measure, evaluate_model, evaluate_models
from multipl_moe.upcycle.convert import upcycle
from tests.train.tiny import World, tiny_recipe

_COMMON = {"languages", "model", "against", "routing", "seed", "recipe", "environment"}


def test_fresh_hybrid_needs_as_many_bits_as_its_base(world: World):
    result = evaluate_models(world.recipe, world.hybrid, world.corpus, against=str(world.base))
    assert set(result.to_json()) == _COMMON | {"means", "sentence"}
    assert (result.sentence or "").startswith("Nothing learnt: ")
    assert set(result.languages) == {"rust", "go", "python", "english"}
    for row in result.languages.values():
        assert max(map(abs, (row.change, *row.interval))) < 1e-6
        assert row.bpb_before == pytest.approx(row.bpb_after) != 0
    assert (result.model, result.against) == (str(world.hybrid), str(world.base))
    assert set(result.routing) == set(result.languages)


@pytest.mark.skipif(torch.cuda.is_available(), reason="float16 stays where there is a GPU")
def test_float16_models_are_scored_on_a_cpu_and_order_decides_the_sign(world: World, tmp_path: Path):
    upcycle(tiny_recipe(world.base, world.sources, upcycle={"dtype": "float16"}), tmp_path / "half")
    there = evaluate_models(world.recipe, tmp_path / "half", world.corpus, against=str(world.base))
    back = evaluate_models(world.recipe, world.base, world.corpus, against=str(tmp_path / "half"))
    for name, row in there.languages.items():
        assert 0 < abs(row.change) < 1e-2
        assert (1 + row.change) * (1 + back.languages[name].change) == pytest.approx(1)
        assert row.bpb_before == back.languages[name].bpb_after
    assert back.routing == {}, "that of what it is compared with is not told"


def test_one_model_alone_has_no_change(world: World):
    result = evaluate_model(world.recipe, world.base, world.corpus)
    assert set(result.to_json()) == _COMMON
    assert result.against is None
    for name, row in result.languages.items():
        assert set(row.to_json()) == {"title", "role", "bpb", "files", "bytes"}
        assert row.role == world.recipe.languages[name]
        assert row.files == 4
        assert row.bpb > 0


def test_movement_is_told_with_what_it_is_of(world: World):
    told: list[tuple[int, int]] = []
    result = evaluate_measure(
        world.recipe, "moved", world.hybrid, world.corpus, str(world.base), lambda *read: told.append(read)
    )
    assert len(told) > 2
    assert told == sorted(told), "more and more is read"
    assert {total for _, total in told} == {told[-1][0]}
    assert set(result.to_json()) == {"moved", "model", "against", "seed", "recipe", "environment"}
    assert result.moved is not None
    kinds = (result.moved.answers, result.moved.kept, result.moved.other)
    assert all(abs(kind.nats_per_token) < 1e-6 for kind in kinds if kind is not None)
    assert (result.model, result.against) == (str(world.hybrid), str(world.base))


def test_a_folder_without_a_tokenizer_is_told(world: World, tmp_path: Path):
    shutil.copytree(world.base, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(BaseModelError, match="bare has no tokenizer that can be read"):
        evaluate_model(world.recipe, tmp_path / "bare", world.corpus)
    with pytest.raises(BaseModelError, match="bare has no tokenizer that can be read"):
        evaluate_measure(world.recipe, "moved", tmp_path / "bare", world.corpus, str(world.base))
