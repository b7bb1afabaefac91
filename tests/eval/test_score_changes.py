"""metrics.json: its keys are frozen, and its means count programming languages only."""

import json

import pytest

from multipl_moe.eval.bootstrap import mean_relative_change, relative_change
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.score_changes import compare_scores, describe_scores
from multipl_moe.recipe.recipe import validate_recipe

_DESIGN_KEYS = {"tokens", "seconds", "parameters", "languages"}
_ADDED_KEYS = {"against", "means", "frozen_sha256", "router_health", "routing", "seed", "environment"}
_DESIGN_LANGUAGE_KEYS = {"role", "bpb_before", "bpb_after", "interval"}
_ADDED_LANGUAGE_KEYS = {"title", "change", "files", "bytes"}


def test_keys_are_those_of_the_design_and_the_frozen_additions(metrics):
    assert set(metrics) == _DESIGN_KEYS | _ADDED_KEYS
    assert set(metrics["parameters"]) == {"total", "active", "trained"}
    for row in metrics["languages"].values():
        assert set(row) == _DESIGN_LANGUAGE_KEYS | _ADDED_LANGUAGE_KEYS
    for row in metrics["means"].values():
        assert set(row) == {"change", "interval"}


def test_content_is_json(metrics):
    read = json.loads(json.dumps(metrics))
    assert read["languages"] == metrics["languages"]
    assert read["means"] == metrics["means"]


def test_values_are_those_of_the_run(metrics):
    assert (metrics["tokens"], metrics["seconds"], metrics["seed"]) == (12_345, 67.0, 4711)
    assert metrics["frozen_sha256"] == "ab" * 32
    assert list(metrics["languages"]) == ["rust", "cpp", "python", "english"]
    rust = metrics["languages"]["rust"]
    assert rust["role"] == "learn"
    assert (rust["bpb_before"], rust["bpb_after"]) == (2.0, 1.6)
    assert rust["change"] == pytest.approx(-0.2)
    assert rust["interval"] == [pytest.approx(-0.2), pytest.approx(-0.2)]
    assert (rust["files"], rust["bytes"]) == (3, 300)
    assert {name: row["role"] for name, row in metrics["languages"].items()} == {
        "rust": "learn",
        "cpp": "learn",
        "python": "keep",
        "english": "keep",
    }


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
