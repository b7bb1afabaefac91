"""The training section of a recipe."""

import pytest

from tests.recipe.refusals import problems_of

_WEIGHTS = {"rust": 3.0, "go": 2.0, "ruby": 1.0}


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ({"mixture_temperature": 2.0, "weights": _WEIGHTS}, "weights, mixture_temperature: each of them decides"),
        ({"weights": {"rust": 3.0}}, "train.weights: needs every language to learn, and only"),
        ({"weights": _WEIGHTS | {"lean": 1.0}}, "unknown languages lean"),
        ({"mixture_temperature": 0.5}, "mixture_temperature: 0.5: must be at least 1"),
        ({"on_max_epochs": "cap"}, "on_max_epochs: cap needs max_epochs"),
        ({"packing": "tight"}, "'windows' or 'best_fit'"),
        ({"keep_best": True}, "keep_best: needs eval_every_steps"),
    ],
)
def test_settings_must_agree(train, problem):
    (told,) = problems_of({"train": train})
    assert problem in told
