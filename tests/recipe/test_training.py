"""The training section of a recipe."""

import pytest

from multipl_moe.recipe.recipe import validate_recipe
from tests.recipe.refusals import problems_of

_BUDGETS = {"rust": 150_000, "go": 100_000, "ruby": 50_000}


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ({"weights": dict.fromkeys(_BUDGETS, 1.0), "language_tokens": _BUDGETS}, "weights, language_tokens: each of"),
        ({"mixture_temperature": 2.0, "language_tokens": _BUDGETS}, "mixture_temperature, language_tokens: each of"),
        ({"mixture_temperature": 0.5}, "mixture_temperature: 0.5: must be at least 1"),
        ({"language_tokens": _BUDGETS, "tokens": 1_000}, "they add up to 300,000, but tokens and skip_tokens to 1,000"),
        ({"on_max_epochs": "cap"}, "on_max_epochs: cap needs max_epochs"),
        ({"packing": "tight"}, "'windows' or 'best_fit'"),
        ({"keep_best": True}, "keep_best: needs eval_every_steps"),
    ],
)
def test_settings_must_agree(train, problem):
    (told,) = problems_of({"train": train})
    assert problem in told


def test_budgets_of_languages_are_weights_and_name_every_language_to_learn():
    recipe = validate_recipe({"train": {"language_tokens": _BUDGETS, "tokens": 250_000, "skip_tokens": 50_000}})
    assert recipe.mixture_weights == _BUDGETS
    (problem,) = problems_of({"train": {"language_tokens": {"rust": 300_000}}})
    assert problem.startswith("recipe: train.language_tokens: needs every language to learn")
