"""Changes of bits per byte: means count programming languages only, intervals follow the recipe."""

import pytest

from multipl_moe.eval.bootstrap import mean_relative_change, relative_change
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.score_changes import compare_scores, describe_scores
from multipl_moe.recipe.recipe import validate_recipe


def test_means_count_programming_languages_only(metrics):
    assert metrics["means"]["learn"]["change"] == pytest.approx(-0.15)
    assert metrics["means"]["keep"]["change"] == pytest.approx(0.01)  # English, +50%, stands by itself
    assert metrics["languages"]["english"]["change"] == pytest.approx(0.5)


def test_no_mean_where_no_programming_language_has_the_role(before, after):
    recipe = validate_recipe({"learn": ["rust"], "keep": ["english"]})
    assert set(compare_scores(recipe, before, after)["means"]) == {"learn"}


def test_intervals_come_from_the_recipes_seed_and_samples(recipe, before, after):
    rust = after.files["rust"]
    uneven = [rust[0], rust[1], before.files["rust"][2]]
    after = LanguageScores(after.files | {"rust": uneven}, {})
    result = compare_scores(recipe, before, after)
    change = relative_change(before.files["rust"], uneven, samples=300, seed=4711)
    assert result["languages"]["rust"]["interval"] == [change.low, change.high]
    assert change.low < change.high
    pairs = [(before.files[name], after.files[name]) for name in ("rust", "cpp")]
    mean = mean_relative_change(pairs, samples=300, seed=4711)
    assert result["means"]["learn"] == {"change": mean.value, "interval": [mean.low, mean.high]}


def test_scores_of_one_model_alone(recipe, before):
    result = describe_scores(recipe, before)
    assert set(result) == {"languages"}
    assert result["languages"]["cpp"] == {"title": "C++", "role": "learn", "bpb": 2.0, "files": 3, "bytes": 300}
