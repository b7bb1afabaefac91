"""The training section of a recipe."""

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from tests.recipe.refusals import problems_of

_BUDGETS = {"rust": 150_000, "go": 100_000, "ruby": 50_000}


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ({"weights": dict.fromkeys(_BUDGETS, 1.0), "language_tokens": _BUDGETS}, "weights, language_tokens: each of"),
        ({"mixture_temperature": 2.0, "language_tokens": _BUDGETS}, "mixture_temperature, language_tokens: each of"),
        ({"mixture_temperature": 0.5}, "mixture_temperature: 0.5: Input should be greater than or equal to 1"),
        ({"language_tokens": _BUDGETS, "tokens": 1_000}, "they add up to 300,000, but tokens and skip_tokens to 1,000"),
        ({"on_max_epochs": "cap"}, "on_max_epochs: cap needs max_epochs"),
        ({"packing": "tight"}, "'windows' or 'best_fit'"),
    ],
)
def test_what_decides_the_mixture_and_its_packing_must_agree(train, problem):
    (told,) = problems_of({"train": train})
    assert problem in told


def test_budgets_of_languages_are_weights_and_name_every_language_to_learn():
    recipe = validate_recipe({"train": {"language_tokens": _BUDGETS, "tokens": 250_000, "skip_tokens": 50_000}})
    assert recipe.mixture_weights == _BUDGETS
    (problem,) = problems_of({"train": {"language_tokens": {"rust": 300_000}}})
    assert problem.startswith("recipe: train.language_tokens: needs every language to learn")


def test_best_checkpoint_needs_a_measurement():
    with pytest.raises(ConfigError, match=r"train: keep_best: needs eval_every_steps"):
        validate_recipe({"train": {"keep_best": True}})
    assert validate_recipe({"train": {"keep_best": True, "eval_every_steps": 5}}).train.keep_best


def test_a_run_goes_on_with_another_way_of_saving_and_guarding_it_but_nothing_else():
    recipe = Recipe()
    other = {"keep_checkpoints": 5, "on_bad_step": "skip", "save_every_steps": 7, "spike_factor": 3.0}
    assert recipe.same_training(validate_recipe({"train": other | {"trackers": ["wandb"]}}))
    for values in ({"seed": 1}, {"train": {"learning_rate": 0.5}}, {"train": {"eval_every_steps": 3}}):
        assert not recipe.same_training(validate_recipe(values))
