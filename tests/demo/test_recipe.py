"""What the demo's recipe is, and which languages this machine leaves of it."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.read import candidates
from multipl_moe.demo.recipe import DEMO_RECIPE, without_missing_languages
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import Recipe, load_recipe, validate_recipe

_RECIPE = load_recipe(None, DEMO_RECIPE)


def _without_missing_languages(recipe: Recipe = _RECIPE) -> tuple[Recipe, list[str]]:
    """The recipe that is left, and the lines that were told."""
    told = io.StringIO()
    return without_missing_languages(recipe, Console(file=told, width=200)), told.getvalue().splitlines()


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch):
    """Says which languages, by title, have a toolchain with sources here."""
    return lambda says: monkeypatch.setattr(candidates, "has_library", lambda language: says(language.title))


def test_language_without_a_toolchain_is_left_out_with_one_line(has):
    has(lambda title: title not in ("Go", "Java"))
    recipe, lines = _without_missing_languages()
    assert (recipe.learn, recipe.keep) == (["rust", "ruby"], ["python", "cpp", "english"])
    assert recipe.train == _RECIPE.train
    assert len(lines) == 2
    assert lines[0].startswith("go: no toolchain with sources here (apt install golang-go)")
    assert all(package in lines[1] for package in LANGUAGES["java"].packages)
    has(lambda title: True)
    assert _without_missing_languages() == (_RECIPE, [])


def test_own_sources_and_tasks_may_have_text_of_any_language_and_nothing_to_learn_is_refused(has):
    has(lambda title: title == "Python")
    recipe = validate_recipe({"corpus": {"sources": [{"kind": "folder", "path": "sources"}]}})
    assert _without_missing_languages(recipe) == (recipe, [])
    settings = {**DEMO_RECIPE, "programs.languages": None, "keep": [], "learn": ["lua"]}
    with_tasks = load_recipe(None, settings | {"practice.tasks": ["multipl-e-mbpp"]})
    assert _without_missing_languages(with_tasks)[0].learn == ["lua"]
    with pytest.raises(ConfigError, match="learn"):
        _without_missing_languages()


def test_weights_sources_and_programs_of_a_language_that_is_left_out_go_with_it(has):
    has(lambda title: title != "Go")
    recipe = validate_recipe({"train": {"weights": {"rust": 2.0, "go": 1.0, "ruby": 1.0, "python": 0.5}}})
    assert _without_missing_languages(recipe)[0].mixture_weights == {"rust": 2.0, "ruby": 1.0, "python": 0.5}
    sources = [{"kind": "toolchains", "language": name} for name in ("go", "rust")] + [{"kind": "toolchains"}]
    recipe = validate_recipe({"corpus": {"sources": sources}})
    assert [source.language for source in _without_missing_languages(recipe)[0].corpus.sources] == ["rust", None]
    assert _without_missing_languages()[0].programs.languages == ["rust", "ruby"]
    recipe = validate_recipe({"programs": {"languages": ["go"]}})
    assert _without_missing_languages(recipe)[0].programs.languages is None


def test_the_file_of_the_demo_says_what_it_does_and_a_run_of_ones_own_has_its_experts_and_batch():
    assert load_recipe(Path(__file__).parents[2] / "recipes" / "demo.yaml") == _RECIPE
    assert (Recipe().moe, Recipe().train.batch_sequences) == (_RECIPE.moe, _RECIPE.train.batch_sequences)
