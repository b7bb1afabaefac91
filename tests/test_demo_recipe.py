"""What the demo's recipe becomes on this machine: its languages, and how much is measured."""

import io

import pytest
import torch
from rich.console import Console

from multipl_moe import demo as module
from multipl_moe.demo import DEMO_RECIPE, demo_recipe, without_missing_languages
from multipl_moe.errors import ConfigError
from multipl_moe.languages.table import LANGUAGES
from multipl_moe.recipe.recipe import Recipe, load_recipe, validate_recipe

_RECIPE = load_recipe(None, DEMO_RECIPE)


def _without_missing_languages(recipe: Recipe = _RECIPE) -> tuple[Recipe, list[str]]:
    """The recipe that is left, and the lines that were told."""
    told = io.StringIO()
    return without_missing_languages(recipe, Console(file=told, width=200)), told.getvalue().splitlines()


def test_language_without_a_toolchain_is_left_out_with_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title not in ("Go", "Java"))
    recipe, lines = _without_missing_languages()
    assert recipe == _RECIPE.model_copy(update={"learn": ["rust", "ruby"], "keep": ["python", "cpp", "english"]})
    assert len(lines) == 2
    assert lines[0].startswith("go: no toolchain with sources here (apt install golang-go)")
    assert all(package in lines[1] for package in LANGUAGES["java"].packages)


def test_complete_machine_changes_and_tells_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: True)
    assert _without_missing_languages() == (_RECIPE, [])


def test_own_sources_may_hold_any_language(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: False)
    recipe = validate_recipe({"corpus": {"sources": [{"kind": "folder", "path": "sources"}]}})
    assert _without_missing_languages(recipe) == (recipe, [])


def test_machine_without_any_language_to_learn_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title == "Python")
    with pytest.raises(ConfigError, match="learn"):
        _without_missing_languages()


def test_weights_of_a_language_that_is_left_out_go_with_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title != "Go")
    recipe = validate_recipe({"train": {"weights": {"rust": 2.0, "go": 1.0, "ruby": 1.0, "python": 0.5}}})
    assert _without_missing_languages(recipe)[0].mixture_weights == {"rust": 2.0, "ruby": 1.0, "python": 0.5}


def test_fewer_minutes_and_slow_processors_mean_less_scoring_calibration_and_judging(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "fast_dtype", lambda: torch.bfloat16)
    assert demo_recipe(15) == demo_recipe(60) == DEMO_RECIPE
    short = demo_recipe(5)
    assert short["eval.files_per_language"] == DEMO_RECIPE["eval.files_per_language"] / 3
    assert short["train.calibration_tokens"] == round(DEMO_RECIPE["train.calibration_tokens"] / 3)
    assert load_recipe(None, short).train.calibration_tokens == 5_376
    monkeypatch.setattr(module, "fast_dtype", lambda: torch.float32)
    slow = demo_recipe(15)
    assert 0 < slow["train.calibration_tokens"] < DEMO_RECIPE["train.calibration_tokens"] / 2
    assert 4 <= slow["eval.files_per_language"] < DEMO_RECIPE["eval.files_per_language"] / 2
    assert 0 < slow["eval.moved_share"] < DEMO_RECIPE["eval.moved_share"] / 2
    assert 2 <= slow["programs.problems_per_language"] < DEMO_RECIPE["programs.problems_per_language"] / 2
