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


def _console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _text(console: Console) -> str:
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def _default_recipe() -> Recipe:
    return load_recipe(None, DEMO_RECIPE)


def test_language_without_a_toolchain_is_left_out_with_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title not in ("Go", "Java"))
    console = _console()
    recipe = without_missing_languages(_default_recipe(), console)
    assert recipe.learn == ["rust", "ruby"]
    assert recipe.keep == ["python", "cpp", "english"]
    assert recipe.model_copy(update={"learn": [], "keep": []}) == _default_recipe().model_copy(
        update={"learn": [], "keep": []}
    )
    lines = _text(console).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("go: no toolchain with sources here (apt install golang-go)")
    assert all(package in lines[1] for package in LANGUAGES["java"].packages)


def test_complete_machine_changes_and_tells_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: True)
    console = _console()
    assert without_missing_languages(_default_recipe(), console) == _default_recipe()
    assert _text(console) == ""


def test_own_sources_may_hold_any_language(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: False)
    console = _console()
    recipe = validate_recipe({"corpus": {"sources": [{"kind": "folder", "path": "sources"}]}})
    assert without_missing_languages(recipe, console) is recipe
    assert _text(console) == ""


def test_machine_without_any_language_to_learn_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title == "Python")
    with pytest.raises(ConfigError, match="learn"):
        without_missing_languages(_default_recipe(), _console())


def test_weights_of_a_language_that_is_left_out_go_with_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_library", lambda language: language.title != "Go")
    recipe = validate_recipe({"train": {"weights": {"rust": 2.0, "go": 1.0, "ruby": 1.0, "python": 0.5}}})
    assert without_missing_languages(recipe, _console()).mixture_weights == {"rust": 2.0, "ruby": 1.0, "python": 0.5}


def test_fewer_minutes_and_slow_processors_mean_less_scoring_calibration_and_judging(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "fast_dtype", lambda: torch.bfloat16)
    assert demo_recipe(15) == demo_recipe(60) == DEMO_RECIPE
    short = demo_recipe(5)
    assert short["eval.files_per_language"] == DEMO_RECIPE["eval.files_per_language"] / 3
    assert short["train.calibration_tokens"] == round(DEMO_RECIPE["train.calibration_tokens"] / 3)
    assert load_recipe(None, short).train.calibration_tokens == 43_008
    monkeypatch.setattr(module, "fast_dtype", lambda: torch.float32)
    slow = demo_recipe(15)
    assert 0 < slow["train.calibration_tokens"] < DEMO_RECIPE["train.calibration_tokens"] / 2
    assert 4 <= slow["eval.files_per_language"] < DEMO_RECIPE["eval.files_per_language"] / 2
    assert 2 <= slow["programs.problems_per_language"] < DEMO_RECIPE["programs.problems_per_language"] / 2
