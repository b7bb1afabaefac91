"""The rate that `auto` means: how the search walks, that it leaves no trace in training, and that it is stored."""

import json
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainingArguments

from multipl_moe.errors import TrainingError
from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from multipl_moe.train.rate_search import RATE_FILE, raised_by, search_rate, search_tokens
from multipl_moe.train.rate_trials import Trials, trial_shape
from multipl_moe.train.setup import TrainingSetup
from multipl_moe.train.trainer import train_model
from tests.conftest import random_tokens, tiny_hybrid
from tests.distributed import run_processes
from tests.train.conftest import changed, train
from tests.train.tiny import World, gated_hybrid, with_train


def _valley(best: float, steepness: float = 1.0):
    return lambda rate: 2.0 + steepness * math.log2(rate / best) ** 2


@given(st.integers(-4, 5))
def test_the_search_finds_the_rate_with_the_lowest_loss_from_either_side(doublings: int):
    best = 2.0 ** (doublings - 10)
    found = search_rate(_valley(best), 2.0**-10)
    assert found.learning_rate == best
    assert found.losses[best] == 2.0
    assert len(found.losses) <= 8


def test_of_rates_that_are_as_good_as_equal_the_largest_is_taken():
    assert search_rate(_valley(1e-3, steepness=0.015), 1e-3).learning_rate == 2e-3
    assert search_rate(_valley(1e-3, steepness=0.025), 1e-3).learning_rate == 1e-3


def test_a_rate_at_which_the_loss_is_no_number_is_left_behind():
    def loss_at(rate: float) -> float:
        return math.inf if rate > 3e-4 else _valley(1e-4)(rate)

    assert search_rate(loss_at, 1e-3).learning_rate == 1.25e-4
    with pytest.raises(TrainingError, match=r"auto found none: the loss is not finite at any of 0\.001, 0\.0005"):
        search_rate(lambda rate: math.inf, 1e-3)


def test_trials_take_about_5_percent_of_a_run_and_no_larger_a_batch():
    fours = with_train(Recipe(), batch_sequences=4)

    def shape(tokens: int) -> tuple[int, int]:
        return trial_shape(TrainingSetup.of(with_train(fours, tokens=tokens, learning_rate="auto")))

    assert shape(50_000) == (1, 256)
    assert raised_by(TrainingSetup.of(with_train(fours, tokens=50_000))) == 2
    assert raised_by(TrainingSetup.of(with_train(fours, tokens=1_000_000))) == pytest.approx((4 / 3) ** 0.5)
    assert shape(300_000) == (1, 468)
    assert trial_shape(TrainingSetup.of(with_train(fours, sequence_tokens=64, tokens=50_000))) == (4, 64)
    assert shape(1_000_000) == (3, 512)
    assert shape(10_000_000) == (4, 512)
    assert search_tokens(TrainingSetup.of(with_train(fours, learning_rate="auto"))) == 8 * 8 * 468
    assert search_tokens(TrainingSetup.of(fours)) == 0
    one_sequence = TrainingSetup.of(with_train(Recipe(), tokens=50_000))
    assert (trial_shape(one_sequence), raised_by(one_sequence)) == ((1, 256), pytest.approx(2**0.5))


def test_a_larger_batch_bears_a_higher_rate_but_none_that_lost_in_the_trials():
    slight, steep = _valley(1e-3, steepness=0.05), _valley(1e-3)
    found = search_rate(slight, 1e-3, raised=2)
    assert (found.learning_rate, found.losses[2e-3]) == (2e-3, 2.05)
    assert "0.002, raised for the larger batch" in found.sentence()
    assert search_rate(slight, 1e-3, raised=1.3).learning_rate == 1.3e-3
    lost = search_rate(steep, 1e-3, raised=2)
    assert lost.learning_rate == 1e-3
    assert "raised" not in lost.sentence()
    assert search_rate(steep, 1e-3, raised=1.5).learning_rate == 1.5e-3
    assert search_rate(steep, 1e-3, raised=1.9).learning_rate == 1e-3
    third = 0.032 / 9
    assert search_rate(lambda rate: 2.0 + (rate > third), third, raised=2).learning_rate == third
    nothing = search_rate(slight, 1e-3, raised=1.04)
    assert (nothing.learning_rate, nothing.is_raised) == (1e-3, False)
    assert search_rate(lambda rate: math.inf if rate > 1e-3 else slight(rate), 1e-3, raised=2).learning_rate == 1e-3


def test_the_usual_rate_of_what_trains_is_taken_where_none_is_named_and_where_a_search_begins():
    for values, rate in (
        ({}, 0.002),
        ({"moe": {"experts": {"rank": 16, "alpha": 16}}}, 0.008),
        ({"moe": {"preset": "single"}}, 5e-4),
        ({"moe": {"preset": "causal"}}, 5e-4),
        ({"train": {"method": "lora", "lora_rank": 64}}, 0.004),
        ({"moe": {"preset": "causal", "experts": {"type": "lora"}}}, 0.008),
        ({"train": {"method": "dense"}}, 3e-4),
        ({"train": {"method": "dense-ffn"}}, 5e-4),
    ):
        recipe = validate_recipe(values)
        assert (recipe.learning_rate, TrainingSetup.of(recipe).train.learning_rate) == (rate, rate)
        searched = TrainingSetup.of(with_train(recipe, learning_rate="auto"))
        assert (searched.train.learning_rate, searched.first_rate) == ("auto", rate)
        assert TrainingSetup.of(with_train(recipe, learning_rate=0.1)).train.learning_rate == 0.1


def test_a_hybrid_that_is_trained_without_its_recipe_gets_the_usual_rate_of_its_experts(world: World, tmp_path: Path):
    gated_hybrid(world, tmp_path / "hybrid", {"preset": "pack", "rank": 4, "alpha": 32.0})
    bare = {"base": str(world.base), "learn": ["rust", "go"], "keep": ["python", "english"]}
    recipe = validate_recipe(bare | {"train": {"tokens": 64, "sequence_tokens": 32, "calibration_sequence_tokens": 32}})
    run = train_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run")
    assert run.learning_rate == 0.004


@pytest.mark.parametrize("values", [{"method": "lora"}, {"accumulation_steps": 2, "tokens": 6 * 256}], ids=str)
def test_training_after_a_search_is_that_at_the_rate_it_found_to_the_bit(world: World, tmp_path, monkeypatch, values):
    monkeypatch.setattr("multipl_moe.train.rate_trials.STEPS", 4)
    auto = train(world, tmp_path / "auto", learning_rate="auto", **values)
    stored = json.loads((tmp_path / "auto" / RATE_FILE).read_text())
    assert stored["learning_rate"] == auto.learning_rate
    assert len(stored["losses"]) >= 3
    fixed = train(world, tmp_path / "fixed", learning_rate=auto.learning_rate, **values)
    assert changed(auto.model_folder, fixed.model_folder) == set()
    assert not (tmp_path / "fixed" / RATE_FILE).exists()


def test_a_run_to_go_on_with_takes_the_rate_that_is_stored(world: World, tmp_path: Path):
    (tmp_path / RATE_FILE).write_text('{"learning_rate": 0.0625, "losses": {}}')
    assert train(world, tmp_path, learning_rate="auto", tokens=128).learning_rate == 0.0625


def _auto(world: World, folder: Path) -> float | None:
    return train(world, folder, learning_rate="auto", batch_sequences=2, distribution="ddp").learning_rate


@pytest.mark.extended
def test_several_processes_take_the_rate_that_one_takes(world: World, tmp_path: Path):
    rates = run_processes(_auto, world, tmp_path / "two")
    alone = train(world, tmp_path / "alone", learning_rate="auto")
    assert rates == [alone.learning_rate] * 2
    stored = [json.loads((tmp_path / name / RATE_FILE).read_text())["losses"] for name in ("two", "alone")]
    assert stored[0].keys() == stored[1].keys()
    steady = sorted(stored[1], key=float)[:-2]  # at the highest rates a sum's rounding grows
    assert len(steady) > 3
    assert [stored[0][rate] for rate in steady] == pytest.approx([stored[1][rate] for rate in steady], rel=2e-3)


def test_trials_pass_over_rows_in_which_nothing_is_learnt(tmp_path: Path):
    """As a row of answers of which only the beginning, the prompts', fits."""
    setup = TrainingSetup.of(with_train(Recipe(), tokens=50_000, sequence_tokens=32, batch_sequences=2))
    model: Any = tiny_hybrid("single")
    tokens = random_tokens(12, 32)
    labels = torch.where(torch.arange(12)[:, None] % 3 > 0, IGNORED_LABEL, tokens)
    rows = [
        {"input_ids": row, "labels": label, "position_ids": torch.arange(32)}
        for row, label in zip(tokens, labels, strict=True)
    ]
    trials = Trials(setup, model, cast(Any, rows), TrainingArguments(output_dir=str(tmp_path)))
    assert math.isfinite(trials.loss_at(1e-3))
